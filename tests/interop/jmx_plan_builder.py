"""Test plans in JMeter's saved form, put together element by element."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

BODY = {
    "messages": [{"role": "user", "content": "Hello"}],
    "model": "m",
    "max_tokens": 64,
    "temperature": 0.5,
    "stream": True,
}


def prop(name: str, value: object) -> str:
    """One setting."""
    return f'<stringProp name="{name}">{escape(str(value))}</stringProp>'


def element(kind: str, name: str, settings: str = "", below: str = "", enabled: bool = True) -> str:
    """An element and its hashTree."""
    on = "true" if enabled else "false"
    head = f'<{kind} testclass="{kind}" testname="{escape(name)}" enabled="{on}">'
    return f"{head}{settings}</{kind}><hashTree>{below}</hashTree>"


def rows(collection: str, kind: str, *pairs: tuple[str, str]) -> str:
    """A table of names and values, such as headers."""
    found = "".join(
        f'<elementProp name="" elementType="{kind}">'
        f"{prop(f'{kind}.name', name)}{prop(f'{kind}.value', value)}</elementProp>"
        for name, value in pairs
    )
    return f'<collectionProp name="{collection}">{found}</collectionProp>'


def variables(**values: str) -> str:
    """A User Defined Variables element."""
    return element("Arguments", "vars", rows("Arguments.arguments", "Argument", *values.items()))


def headers(*pairs: tuple[str, str]) -> str:
    """A Header Manager."""
    return element("HeaderManager", "headers", rows("HeaderManager.headers", "Header", *pairs))


def request(
    body: Any = BODY, name: str = "Ask", path: str = "/v1/chat/completions", below: str = "", **settings: str
) -> str:
    """An HTTP Request with a raw body."""
    text = body if isinstance(body, str) else json.dumps(body)
    told = {
        "domain": "127.0.0.1",
        "port": "8000",
        "protocol": "http",
        "method": "POST",
        "path": path,
        **settings,
    }
    return element(
        "HTTPSamplerProxy",
        name,
        '<boolProp name="HTTPSampler.postBodyRaw">true</boolProp>'
        '<elementProp name="HTTPsampler.Arguments" elementType="Arguments"><collectionProp name="Arguments.arguments">'
        f'<elementProp name="" elementType="HTTPArgument">{prop("Argument.value", text)}</elementProp>'
        "</collectionProp></elementProp>" + "".join(prop(f"HTTPSampler.{k}", v) for k, v in told.items()),
        below,
    )


def group(
    below: str,
    users: object = 5,
    ramp: object = 5,
    loops: object = 2,
    name: str = "People",
    kind: str = "ThreadGroup",
    **settings: object,
) -> str:
    """A Thread Group."""
    told = "".join(prop(f"ThreadGroup.{key}", value) for key, value in settings.items())
    return element(
        kind,
        name,
        f"{prop('ThreadGroup.num_threads', users)}{prop('ThreadGroup.ramp_time', ramp)}{told}"
        '<elementProp name="ThreadGroup.main_controller" elementType="LoopController">'
        f"{prop('LoopController.loops', loops)}</elementProp>",
        below,
    )


def plan(below: str, settings: str = "", head: str = "") -> str:
    """A whole file."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<jmeterTestPlan version="1.2" properties="5.0" jmeter="5.6.3">'
        f"<hashTree>{element('TestPlan', 'Plan', settings, below)}</hashTree></jmeterTestPlan>"
    )


def timer(ms: object, kind: str = "ConstantTimer", spread: object = "") -> str:
    """A timer; `spread` is a random timer's range."""
    extra = prop("RandomTimer.range", spread) if spread != "" else ""
    return element(kind, "wait", prop("ConstantTimer.delay", ms) + extra)


def saved(folder: Path, text: str) -> Path:
    """The plan as a file."""
    path = folder / "plan.jmx"
    path.write_text(text, encoding="utf-8")
    return path
