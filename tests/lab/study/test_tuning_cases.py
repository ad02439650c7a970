"""The cases of docs/tuning.md can be run: the simulator knows the options, traces can be read, pictures exist."""

from __future__ import annotations

import pytest

from chatload.loads.trace import read_trace
from lab.simulated_server import ROOT
from lab.study.tuning_cases import TUNING_CASES, TuningCase
from plots.registry import PICTURES
from simulator.engine.profiles import build_scheduler, load_profile
from simulator.options import parse_options
from simulator.servers.registry import registered_servers


@pytest.mark.parametrize("case", TUNING_CASES, ids=lambda case: case.key)
def test_a_case_can_be_measured(case: TuningCase) -> None:
    assert case.picture in PICTURES
    assert (ROOT / "scenarios" / f"{case.load.scenario}.toml").is_file()
    for name, setting in zip(case.load.arguments, case.load.arguments[1:], strict=False):
        if name == "--trace":
            assert len(read_trace(ROOT / setting).rows) >= 20
    assert len({setting.label for setting in case.settings}) == len(case.settings)
    for setting in case.settings:
        assert len(setting.label) <= 36, "pictures cut longer names"
        options = parse_options(["--speak", case.speak, *case.arguments, *setting.arguments])
        build_scheduler(
            load_profile(f"{registered_servers()[case.speak].spec.scheduler}@{options.profile}"),
            options.scheduler_options,
        )


@pytest.mark.parametrize("case", TUNING_CASES, ids=lambda case: case.key)
def test_the_page_has_its_commands_and_picture(case: TuningCase) -> None:
    page = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    assert case.title in page
    assert " ".join(case.text.split()) in " ".join(page.split())
    commands = page.replace(" \\\n   ", "")
    assert f"pictures/tuning-{case.key}.png" in page
    picture = ROOT / "docs" / "pictures" / f"tuning-{case.key}.png"
    assert 0 < picture.stat().st_size < 150_000
    for setting in case.settings:
        assert " ".join(("--speak", case.speak, *case.arguments, *setting.arguments)) in commands
