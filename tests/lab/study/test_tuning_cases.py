"""What docs/tuning.md shows can be started: knobs the simulator knows, traces that can be read, pages at hand."""

from __future__ import annotations

import pytest

from chatload.loads.trace import read_trace
from lab.simulated_server import ROOT
from lab.study.pictures import DRAWS
from lab.study.tuning_cases import KNOBS, Knob
from simulator.engine.profiles import build_scheduler, load_profile
from simulator.options import parse_options
from simulator.servers.registry import registered_servers


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.key)
def test_a_knob_can_be_measured(knob: Knob) -> None:
    assert knob.picture in DRAWS
    assert (ROOT / "scenarios" / f"{knob.load.scenario}.toml").is_file()
    for name, value in zip(knob.load.arguments, knob.load.arguments[1:], strict=False):
        if name == "--trace":
            assert len(read_trace(ROOT / value)) >= 20
    assert len({value.label for value in knob.values}) == len(knob.values)
    for value in knob.values:
        assert len(value.label) <= 36, "pictures cut longer names"
        options = parse_options(["--speak", knob.speak, *knob.always, *value.arguments])
        build_scheduler(
            load_profile(f"{registered_servers()[knob.speak].spec.scheduler}@{options.profile}"),
            options.scheduler_options,
        )


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.key)
def test_the_page_has_its_commands_and_picture(knob: Knob) -> None:
    page = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    assert knob.title in page
    assert f"pictures/tuning-{knob.key}.png" in page
    picture = ROOT / "docs" / "pictures" / f"tuning-{knob.key}.png"
    assert 0 < picture.stat().st_size < 150_000
    for value in knob.values:
        assert " ".join(("--speak", knob.speak, *knob.always, *value.arguments)) in page
