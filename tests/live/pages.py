"""What a person does on our page, for a Chromium driven by selenium."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def fill(window: Any, **values: str) -> None:
    """Type values into the start form, unfolding what hides them."""
    window.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for name, value in values.items():
        field = window.find_element("css selector", f"#start [name={name}]")
        if field.tag_name == "select":
            field.find_element("xpath", f"option[.='{value}']").click()
        else:
            field.clear()
            field.send_keys(value)


def click(window: Any, identity: str) -> None:
    window.find_element("id", identity).click()


def text(window: Any, identity: str) -> str:
    return str(window.execute_script(f"return document.getElementById('{identity}').textContent"))


def until(what: Callable[[], Any], limit_s: float = 30) -> Any:
    give_up = time.monotonic() + limit_s
    while not (found := what()):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return found


def tiles(window: Any) -> dict[str, str]:
    """Big numbers by their titles."""
    each = (
        "[...document.querySelectorAll('#tiles > div')].map((t) => [...t.children].map((c) => c.textContent))"
    )
    return {tile[0]: tile[1] for tile in window.execute_script(f"return {each}")}


def complaints(window: Any) -> list[str]:
    """What the console says."""
    return [entry["message"] for entry in window.get_log("browser")]
