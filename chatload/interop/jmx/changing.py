"""Converts JMeter's functions and elements with changing values to placeholders of prompts (prompts/placeholders.py).

While a body is read, placeholders are between OPEN and CLOSE, to distinguish them from braces of the plan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from chatload.interop.jmx.tree import Node
from chatload.prompts.placeholders import ONE_NUMBER, escaped

OPEN, CLOSE = "\ue000", "\ue001"
"""Characters of Unicode's private use area."""
DATE_PARTS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_DATE = re.compile(r"([A-Za-z])\1*|'([^']*)'|[^A-Za-z']")
_WHOLE = re.compile(r"-?\d{1,15}")
ELEMENTS = ("CounterConfig", "RandomVariableConfig")
"""Configuration elements that change a variable in each iteration."""


def placeholder_of(name: str, given: Sequence[str]) -> str | None:
    """The marked placeholder for a function; None if there is none."""
    makes = _FUNCTIONS.get(name)
    inner = makes(given) if makes is not None else None
    return None if inner is None or any(sign in inner for sign in "{}\n") else f"{OPEN}{inner}{CLOSE}"


def _counter(given: Sequence[str]) -> str:
    """`__counter(TRUE)` counts the iterations of each thread, else those of all."""
    return "turn" if given and given[0].strip().lower() == "true" else "number"


def _random(given: Sequence[str]) -> str | None:
    numbers = [one.strip() for one in given[:2]]
    whole = len(numbers) == 2 and all(map(_WHOLE.fullmatch, numbers))
    return f"random:{numbers[0]}:{numbers[1]}" if whole else None


def _string(given: Sequence[str]) -> str | None:
    length = given[0].strip() if given else ""
    if not re.fullmatch(r"[1-9]\d{0,3}", length):
        return None
    letters = given[1] if len(given) > 1 else ""
    return f"string:{length}" + (f":{letters}" if letters else "")


def _time(given: Sequence[str]) -> str | None:
    form = given[0].strip() if given else ""
    if form in ("", "/1000"):
        return "time:s" if form else "time"
    parts = []
    for one in _DATE.finditer(form):
        text = one[0]
        if text[0].isalpha() and text not in DATE_PARTS:
            return None
        quoted = (one[2] or "'").replace("%", "%%") if text[0] == "'" else text.replace("%", "%%")
        parts.append(DATE_PARTS.get(text, quoted))
    return f"time:{''.join(parts)}"


_FUNCTIONS: Mapping[str, Callable[[Sequence[str]], str | None]] = {
    "__threadNum": lambda given: "user",
    "__counter": _counter,
    "__iterationNum": lambda given: "turn",
    "__UUID": lambda given: "uuid",
    "__Random": _random,
    "__RandomString": _string,
    "__time": _time,
}


def variables_of(node: Node, resolve: Callable[[str], str]) -> dict[str, str]:
    """{variable: marked placeholder} of a Counter or a Random Variable; empty if no placeholder does the same."""

    def setting(*names: str) -> str:
        return next((value for name in names if (value := resolve(node.setting(name)).strip())), "")

    if node.kind == "RandomVariableConfig":
        inner = _random([setting("minimumValue"), setting("maximumValue")])
        name, form = setting("variableName"), setting("outputFormat")
    else:
        first, step = setting("CounterConfig.start") or "0", setting("CounterConfig.incr") or "1"
        whole = _WHOLE.fullmatch(first) and _WHOLE.fullmatch(step) and not setting("CounterConfig.end")
        each = "turn" if node.on("CounterConfig.per_user") else "number"
        inner = (each if (first, step) == ("1", "1") else f"{each}:{first}:{step}") if whole else None
        name, form = setting("CounterConfig.name"), setting("CounterConfig.format")
    return {name: f"{OPEN}{inner}{CLOSE}"} if inner and name and not form else {}


def written(value: object) -> object:
    """A value of a body for a scenario: placeholders in the plan's own text are escaped, marks become braces."""
    if isinstance(value, str):
        return escaped(value).replace(OPEN, "{").replace(CLOSE, "}")
    if isinstance(value, list):
        return [written(one) for one in value]
    if isinstance(value, dict):
        return {key: written(one) for key, one in value.items()}
    return value


def numbers_in(body: Mapping[str, object]) -> dict[str, object]:
    """The fields of a body that consist of one placeholder of a number, outside quotation marks."""
    return {
        key: value
        for key, value in body.items()
        if isinstance(value, str)
        and value.startswith(f"#{OPEN}")
        and ONE_NUMBER.fullmatch(str(written(value)))
    }
