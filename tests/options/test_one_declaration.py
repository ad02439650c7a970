"""An option that is declared once is a flag, an environment variable, a form field and a row of docs/options.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chatload.__main__ import main
from chatload.live.start_form import groups
from chatload.loads.chat import SHAPE, ChatLoad
from chatload.loads.load_shape import Shape
from chatload.loads.registry import SHAPES
from chatload.options.option import Group, Integer, declared
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import whole
from chatload.options.run_options import OPTIONS
from chatload.runner.locust_options import register
from lab.generate_docs import generated

INVENTED = Integer(
    name="cups-of-tea",
    default="3",
    range=whole(1, 9),
    group=Group.PROMPTS,
    label="Cups of tea",
    help="cups that each user drinks",
)


@pytest.fixture
def shape(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shape]:
    """A load shape with an invented option."""
    shape = Shape(ChatLoad, (*SHAPE.options, INVENTED), SHAPE.read)
    monkeypatch.setitem(SHAPES, "chat", shape)
    yield shape


class Parser:
    """Keeps what Locust's parser is given."""

    def __init__(self) -> None:
        self.given: dict[str, dict[str, Any]] = {}
        self._actions: list[Any] = []

    def set_defaults(self, **_: Any) -> None:
        pass

    def add_argument(self, flag: str, **more: Any) -> None:
        self.given[flag] = more


def test_it_is_a_flag_and_an_environment_variable(shape: Shape) -> None:
    parser = Parser()
    register(parser, shape.options)
    given = parser.given["--cups-of-tea"]
    assert (given["env_var"], given["default"]) == ("CHATLOAD_CUPS_OF_TEA", "3")
    assert given["help"] == "cups that each user drinks (a whole number from 1 to 9)"


def test_it_is_a_field_of_its_group_in_the_form(shape: Shape) -> None:
    (group,) = [group for group in groups(shape.options, {}) if group.title == "Prompts"]
    (field,) = [field for field in group.fields if field.key == "cups_of_tea"]
    assert (field.label, field.words, field.value) == ("Cups of tea", "cups that each user drinks", "3")


def test_it_is_a_row_of_the_reference_page(shape: Shape) -> None:
    (page,) = [text for path, text in generated().items() if path.name == "options.md"]
    words = "cups that each user drinks (a whole number from 1 to 9)"
    assert f"| `cups-of-tea` | `3` | {words} | chat |" in page


def test_a_wrong_value_is_told_by_its_range() -> None:
    reader = OptionReader({"cups_of_tea": "ten"})
    assert reader.get(INVENTED) == 3
    assert reader.mistakes == ["--cups-of-tea 'ten': must be a whole number from 1 to 9"]


def test_an_option_of_every_load_cannot_be_forgotten() -> None:
    """`OPTIONS` is what the module declares, so that a declaration is all there is to write."""
    assert declared({"ONE": INVENTED, "other": 3}) == (INVENTED,)
    names = [option.name for option in OPTIONS]
    assert len(names) == len(set(names)) and names[0] == "server"
    assert {"slo", "headers", "locust-rows"} <= set(names)


def test_the_command_lists_it(shape: Shape, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "chat"]) == 0
    told = capsys.readouterr().out
    assert "  --cups-of-tea 3\n      cups that each user drinks (a whole number from 1 to 9)\n" in told
    listed = [line.split()[0] for line in told.splitlines() if line.startswith("  --")]
    assert sorted(listed) == sorted(f"--{option.name}" for option in (*shape.options, *OPTIONS))
    assert main(["options", "nothing"]) == 2
