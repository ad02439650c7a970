"""The start form: every option of ours, with a label, as a select where it has choices, and never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chatload.live.locust_form import as_labelled, by_key, groups_on_page, labelled_fields
from chatload.live.start_form import fixed_users, groups, mistakes
from chatload.loads.load_shape import Shape
from chatload.loads.plan import Plan
from chatload.loads.registry import SHAPES
from chatload.options.option import Group
from chatload.options.run_options import OPTIONS, SERVER
from tests import plans


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_option_is_a_field_once_but_private_ones_are_none(shape: Shape) -> None:
    fields = [field for group in groups((*shape.options, *OPTIONS), {}) for field in group.fields]
    keys = [field.key for field in fields]
    shown = [option.key for option in (*shape.options, *OPTIONS) if not option.off_page]
    assert sorted(keys) == sorted(shown)
    assert "headers" not in keys
    by_key = {field.key: field for field in fields}
    assert by_key["server"].choices == SERVER.choices
    assert by_key["usage"].choices == ("on", "off")
    assert all(field.label[0].isupper() for field in fields)


def test_fields_hold_the_values_as_they_stand() -> None:
    options = (*SHAPES["chat"].options, *OPTIONS)
    fields = {f.key: f for g in groups(options, {"turns": "7", "label": '"><b>'}) for f in g.fields}
    assert fields["turns"].value == "7"
    assert fields["think_time"].value == "2"
    assert fields["label"].value == '"><b>'


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_locust_s_form_has_our_options_in_groups_with_help_that_can_be_pasted_back(shape: Shape) -> None:
    options = (*shape.options, *OPTIONS)
    extra = {
        one.key: {"help_text": one.full_help.replace("%", "%%"), "choices": None} for one in reversed(options)
    }
    fields = labelled_fields(options, {"mine": {"help_text": "1%% of it"}, **extra}, {"label": "seven"})
    shown = [one.label for group in Group for one in options if one.group is group and not one.off_page]
    assert [*fields] == [*shown, "mine"], "in groups, the locustfile's own last"
    assert fields["mine"]["help_text"] == "1% of it"
    assert fields["Name of the run in reports"]["default_value"] == "seven"
    helps = {field["name"]: field["help"] for group in groups_on_page(options) for field in group["fields"]}
    assert [*helps] == shown
    assert not [words for words in helps.values() if "%%" in words]
    assert "10% after 50 tokens" in helps.get("Users that hang up", "10% after 50 tokens")
    # Locust's page writes a key so, and sends it back as it is if its first letter is a capital.
    assert [as_labelled(label).replace("Share GPT", "ShareGPT") for label in shown] == shown
    assert [label for label in shown if "_" in label or not label[0].isupper()] == []
    keys = by_key(dict.fromkeys(shown, ""), options)
    assert sorted(keys.values()) == sorted(one.key for one in options if not one.off_page)


@pytest.mark.parametrize(
    ("kind", "alone", "four"),
    [("chat", None, None), ("open_loop", 1, 4), ("sweep", 1, 1), ("capacity", 1, 4)],
)
def test_only_chat_has_users_of_its_own(kind: str, alone: int | None, four: int | None) -> None:
    found = [fixed_users(SHAPES[kind], processes) for processes in (0, 1, 4)]
    assert found == [alone, alone, four]


def plan_of(values: Mapping[str, Any]) -> Plan:
    return plans.plan_of("chat", {"host": "http://127.0.0.1:1", **values})


def test_every_mistake_of_a_form_is_told_at_once() -> None:
    form = {"user_count": "0", "spawn_rate": "1", "turns": "many", "think_time": "-1", "host": "ftp://x"}
    words = [line.split()[0] for line in mistakes(form, plan_of)]
    assert sorted(words) == ["--host", "--think-time", "--turns", "--users"]


def test_a_good_form_and_one_that_locust_judges_itself_pass() -> None:
    assert mistakes({"user_count": "5", "spawn_rate": "1", "turns": "3", "host": ""}, plan_of) == []
    assert mistakes({"user_count": "", "spawn_rate": "1", "turns": "x"}, plan_of) == []


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"headers": "Bearer CANARY"}, "--headers …: must be a JSON object"),
        ({"headers": '{"X-Team": "CANARY\\n"}'}, "--headers 'X-Team': its value must be plain ASCII"),
        ({"headers": '{"Authorization": "CANARY"}'}, "--headers 'Authorization': secrets do not go"),
        ({"host": "http://me:CANARY@gpu:8000"}, "--host 'gpu:8000': no name or password"),
    ],
)
def test_a_mistake_never_tells_a_secret(given: dict[str, str], word: str) -> None:
    """Mistakes are shown on the page and in Locust's log."""
    (line,) = mistakes({"user_count": "1", "spawn_rate": "1", **given}, plan_of)
    assert line.startswith(word)
    assert "CANARY" not in line
