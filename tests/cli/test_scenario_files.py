"""`chatload run` finds scenarios, locustfiles and the files that they name, from any folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatload.cli.child_process import locust_command
from chatload.cli.scenario_files import locust_arguments
from chatload.files.packaged import LOCUSTFILES, SCENARIOS, packaged, packaged_names, prefer_own
from chatload.model.errors import UsageError

OWN = '[tool.locust]\nlocustfile = "mine.py"\nprompts = "lines.jsonl"\n'
CHAT, CHAT_100 = str(packaged(LOCUSTFILES) / "chat.py"), str(packaged(SCENARIOS) / "chat-100.toml")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A scenario in another folder, with its files beside it."""
    folder = tmp_path / "there"
    folder.mkdir()
    for name, text in {"mine.toml": OWN, "mine.py": "", "lines.jsonl": ""}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "mine.toml"


@pytest.mark.parametrize(
    "argv",
    [
        ["chat-100"],
        ["chat-100.toml"],
        ["scenarios/chat-100.toml"],
        ["--config", "chat-100"],
        ["--config=scenarios/chat-100.toml"],
    ],
)
def test_a_scenario_of_chatload_is_found_by_name(argv: list[str]) -> None:
    found = locust_arguments([*argv, "--host", "http://gpu"])
    assert found[:4] == ["--config", CHAT_100, "-f", CHAT]
    assert found[-2:] == ["--host", "http://gpu"]


@pytest.mark.parametrize("argv", [["chat"], ["chat.py"], ["locustfiles/chat.py"], ["-f", "chat"]])
def test_a_locustfile_of_chatload_is_found_by_name(argv: list[str]) -> None:
    assert locust_arguments([*argv, "-u", "5"]) == ["-f", CHAT, "-u", "5"]


def test_every_scenario_of_chatload_names_a_locustfile_of_chatload() -> None:
    for name in packaged_names(SCENARIOS, ".toml"):
        arguments = locust_arguments([name])
        assert Path(arguments[arguments.index("-f") + 1]).parent == packaged(LOCUSTFILES), name


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ([], ["--loglevel", "WARNING", "--only-summary"]),
        (["--only-summary"], ["--loglevel", "WARNING"]),
        (["--loglevel", "INFO"], []),
        (["--worker"], []),
    ],
)
def test_a_locustfile_without_a_scenario_prints_locusts_table_once(more: list[str], added: list[str]) -> None:
    rest = ["--headless", *more]
    assert locust_arguments(["chat", *rest]) == ["-f", CHAT, *added, *rest]


def test_a_scenario_with_its_files_may_lie_in_another_folder(own: Path) -> None:
    there = own.parent
    assert locust_arguments([str(own)]) == [
        "--config", str(own), "-f", str(there / "mine.py"), "--prompts", str(there / "lines.jsonl"),
    ]  # fmt: skip


def test_files_in_the_working_directory_come_first(own: Path, elsewhere: Path) -> None:
    for name in ("mine.py", "lines.jsonl"):
        (elsewhere / name).touch()
    assert locust_arguments([str(own)]) == ["--config", str(own), "-f", "mine.py"]


def test_the_command_line_replaces_what_the_scenario_names(own: Path) -> None:
    found = locust_arguments([str(own), "-f", "chat", "--prompts=other.jsonl"])
    assert found == ["--config", str(own), "-f", CHAT, "--prompts=other.jsonl"]


@pytest.mark.parametrize("argv", [[], ["--users", "5"]])
def test_without_a_name_locusts_own_files_are_read(argv: list[str], elsewhere: Path) -> None:
    with pytest.raises(UsageError, match=r"name a scenario or a locustfile first: a scenario .*chat-100"):
        locust_arguments(argv)
    (elsewhere / "locustfile.py").touch()
    assert locust_arguments(argv) == argv


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (
            ["chat-10"],
            "'chat-10': no such scenario or locustfile (did you mean chat-100?): name a file, or a",
        ),
        (["chat-1000"], "'chat-1000': no such scenario or locustfile (did you mean chat-100?): name a file"),
        (["--config", "smok"], "'smok': no such file (did you mean smoke?): name a scenario by its path"),
        (["zzz"], "'zzz': no such scenario or locustfile: name a file, or a scenario"),
        (
            ["--config", "nope.toml"],
            "'nope.toml': no such file: name a scenario by its path, or one of agent",
        ),
        (["other/chat-100.toml"], "'other/chat-100.toml': no such scenario"),
    ],
)
def test_what_is_not_found_is_named(argv: list[str], words: str) -> None:
    with pytest.raises(UsageError) as told:
        locust_arguments(argv)
    assert words in told.value.lines[0]
    assert len(told.value.lines) == 1


def test_a_scenario_that_names_no_file_or_is_no_toml_is_refused(elsewhere: Path) -> None:
    path = elsewhere / "bad.toml"
    path.write_text('[tool.locust]\nlocustfile = "gone.py"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"bad.toml: locustfile 'gone.py': no such file"):
        locust_arguments(["bad.toml"])
    path.write_text('locustfile = "chat"\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"bad.toml: holds no \[tool.locust\]"):
        locust_arguments(["bad.toml"])
    path.write_text("[tool.locust]\nusers = 3\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"bad.toml: names no locustfile: one of arrivals, "):
        locust_arguments(["bad.toml"])
    assert locust_arguments(["bad.toml", "-f", "chat"])[-2:] == ["-f", CHAT]
    path.write_text("[tool.locust\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"bad.toml: cannot be read as TOML"):
        locust_arguments(["bad.toml"])
    path.write_text("[tool.locust]\n", encoding="utf-8-sig")
    with pytest.raises(UsageError, match=r"bad.toml: begins with a byte order mark: save it as UTF-8"):
        locust_arguments(["bad.toml"])


def test_several_locustfiles_and_addresses_are_left_to_locust() -> None:
    assert locust_arguments(["chat,mine.py"]) == ["-f", f"{CHAT},mine.py"]
    assert locust_arguments(["https://host/file.py"]) == ["-f", "https://host/file.py"]


@pytest.mark.parametrize(
    ("more", "quiet"),
    [
        ([], True),
        (["--headful"], False),
        (["--loglevel", "INFO"], False),
        (["-L", "INFO"], False),
        (["--master"], False),
    ],
)
def test_locusts_notes_are_left_out_of_a_headless_run(more: list[str], quiet: bool) -> None:
    assert (locust_arguments(["chat-100", *more]).count("WARNING") == 1) is quiet


def test_the_command_is_locust_with_this_python() -> None:
    assert locust_command(["chat"]) == [sys.executable, "-P", "-m", "chatload.locust_start", "-f", CHAT]


def test_a_package_of_chatload_is_preferred_to_a_file_of_its_name(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "plots.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(elsewhere))
    for name in [one for one in sys.modules if one.partition(".")[0] == "plots"]:
        monkeypatch.delitem(sys.modules, name)
    assert prefer_own("plots") is None
    import plots

    assert Path(plots.__file__ or "").name == "__init__.py"
    foreign = type(sys)("plots")
    foreign.__file__ = str(elsewhere / "plots.py")
    monkeypatch.setitem(sys.modules, "plots", foreign)
    told = prefer_own("plots")
    assert told is not None and told.startswith(f"{elsewhere}/plots.py: has the name of chatload's package")
