"""The command line of `python -m chatload`: exit codes, one clear line for a mistake, what is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatload.__main__ import COMMANDS, main
from tests.runs_builder import HERE, TINY, write_good

TINY_RUN = HERE / "tiny"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / "tiny", tmp_path / "tiny"))


def test_report_says_the_verdict_first(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tiny)]) == 0
    assert capsys.readouterr().out.startswith("6 of 6 turns good")


def test_json_is_the_summary(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--json", str(tiny)]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == json.loads((tiny / "summary.json").read_text())
    assert main(["report", "--json", str(tiny), str(tiny)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_summary_is_written_only_where_it_is_absent(tiny: Path) -> None:
    (tiny / "summary.json").write_text("{}")
    main(["report", str(tiny)])
    assert (tiny / "summary.json").read_text() == "{}"


def test_a_run_that_still_goes_on_gets_no_summary(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "on", TINY, ended="running")
    assert main(["report", str(folder)]) == 0
    assert not (folder / "summary.json").exists()


def test_a_working_directory_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(argv: list[str]) -> int:
        raise FileNotFoundError(2, "No such file or directory")  # as os.getcwd does

    monkeypatch.setitem(COMMANDS, "report", gone)
    monkeypatch.setattr("chatload.model.output.discard", lambda stream: None)
    assert main(["report", "x"]) == 2
    assert capsys.readouterr().err == "working directory: No such file or directory\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "no command"),
        (["reprot"], "'reprot': unknown command (did you mean report?): must be one of run, "),
        (["report"], "RUN"),
        (["report", "--jsn", "x"], "report: --jsn: no such option (did you mean --json?) (see "),
        (
            ["report", "x", "--format", "jmetr"],
            "--format 'jmetr': must be one of text, jmeter (did you mean jmeter?)",
        ),
        (["report", "x", "--format"], "report: --format: needs a value (see "),
        (["export", "jtll", "x"], "'jtll': must be one of jtl, schedule, badge, jsonl (did you mean jtl?)"),
        (
            ["options", "tokns"],
            "'tokns': no load, group of options or part of an option's name (did you mean max-tokens",
        ),
        (["plots", str(TINY_RUN), "--out", "-"], "--out '-': standard output is no folder: name one"),
        (["demo", "--out", "-"], "--out '-': standard output is no folder: name one"),
        (["history", "nowhere"], "nowhere: no folder"),
        (["report", "nowhere"], "nowhere: not a run folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "begins"),
    [
        (["report", "RUN", "--html", "-"], "<!doctype html>"),
        (["report", "RUN", "--share", "-"], "<!doctype html>"),
        (["history", "RUN", "--html", "-"], "<!doctype html>"),
        (["export", "jtl", "RUN", "-o", "-"], "timeStamp,elapsed,"),
        (["export", "jsonl", "RUN", "-o", "-"], '{"'),
        (["check", "RUN", "--slo", "p95 ttft_ms <= 5000", "--junit", "-"], "<?xml "),
    ],
)
def test_a_file_called_minus_is_standard_output(
    tiny: Path,
    argv: list[str],
    begins: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tiny.parent)
    monkeypatch.setattr("plots.report.beside.side_by_side", lambda runs: [])
    assert main([str(tiny) if word == "RUN" else word for word in argv]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(begins)
    assert out.rstrip()[-1] in ">}0123456789"
    assert not Path("-").exists()
    assert ("check: passed" in err) == ("check" in argv)


def test_every_wrong_folder_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "a"), str(HERE / "vllm"), str(tmp_path / "b")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert all(one.words and "\n" not in one.words for one in COMMANDS.values())


@pytest.mark.e2e
def test_help_imports_no_command() -> None:
    """Importing them all takes longer than people wait for a help text."""
    code = "import sys, chatload.__main__ as m; m.main(['--help']); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage" in done.stdout
    loaded = {name.split(".")[1] for name in done.stdout.splitlines() if name.startswith("chatload.")}
    assert not loaded & {"cli", "analysis", "engine", "runner", "loads", "options"}
    assert not {"numpy", "locust", "matplotlib", "jinja2"} & set(done.stdout.splitlines())


@pytest.mark.e2e
def test_a_reader_who_leaves_and_a_terminal_without_unicode(tiny: Path) -> None:
    """`report | head -1` in the C locale: no traceback, nothing on stderr."""
    command = f"{sys.executable} -m chatload report {tiny} | head -1"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, timeout=60, cwd=HERE.parents[1],
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}, check=False,
    )  # fmt: skip
    assert done.stderr == b""
    assert done.stdout.startswith(b"6 of 6 turns good")


@pytest.mark.e2e
def test_reports_and_plots_need_neither_locust_nor_gevent() -> None:
    code = "import sys, chatload.cli.report, plots.__main__; print({'locust', 'gevent'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=HERE.parents[1],
        check=True,
    )
    assert done.stdout.strip() == "set()"
