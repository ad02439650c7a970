"""Checks a request to start a run: its fields, files and values, and whether its host may have the API key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from flask import Response, jsonify, request
from werkzeug.datastructures import ImmutableMultiDict

from chatload.live.locust_form import by_key
from chatload.live.page_context import PageContext
from chatload.live.start_form import mistakes
from chatload.loads.user_classes import PICKED
from chatload.model.sanitize import one_line
from chatload.options.option import Option

GOING = ("spawning", "running")
FIXED_USERS_PER_S = "100"
"""Rate at which users start whose number the load fixes: all at once."""
LOCUST_FIELDS = frozenset(
    {"user_count", "spawn_rate", "host", "run_time", "profile", "user_classes", "shape_class"}
)
KEY_HOST = "api_key_host"
"""Field of the form: the host that may have the API key, or WITHOUT_KEY to start without it."""
WITHOUT_KEY = "none"


def unknown_fields(
    form: Collection[str], options: Collection[Option[object]], custom: Callable[[], Collection[str]]
) -> list[str]:
    """Fields that no form of ours or Locust's has. Locust would set any of its options (html_file, logfile, …).

    `options` are all of ours; `custom` gives those that a locustfile adds itself.
    """
    ours = {one.key for one in options if not one.off_page}
    left = sorted(set(form) - LOCUST_FIELDS - ours - {KEY_HOST})
    if left:
        private = {one.key for one in options if one.off_page}
        left = sorted(set(left) - (set(custom()) - private))
    return [f"{name[:40]!r}: is no field of the form: give it when you start Locust" for name in left]


def outside_files(
    form: Mapping[str, str], options: Collection[Option[object]], given: Mapping[str, object], here: Path
) -> list[str]:
    """Files that a form may not name: those neither below `here`, the working directory, nor its results folder.

    `options` are all that the form has. A value that was `given` when Locust was started is allowed: the form
    repeats it. Links are followed first.
    """
    roots = (here.resolve(), (here / "results").resolve())
    lines = []
    for option in options:
        value = form.get(option.key, "").strip()
        if not value or value == str(given.get(option.key) or "").strip():
            continue
        lines += [
            f"--{option.name} {asked[:80]!r}: from the page only a path below the working directory or its results "
            "folder: give any other when you start Locust"
            for asked in option.files(value)
            if not _is_below(asked, here, roots)
        ]
    return lines


def _is_below(asked: str, here: Path, roots: tuple[Path, ...]) -> bool:
    try:
        path = (here / asked).resolve()
    except (OSError, ValueError, RuntimeError):
        return False
    return any(root in path.parents for root in roots)


def check_start(context: PageContext) -> Response | None:
    """Answer a request to start a run that cannot be started; None where it may start."""
    if request.endpoint != "locust.swarm":
        return None
    runner, fixed_users = context.environment.runner, context.fixed_users
    going = runner is not None and runner.state in GOING
    labels = by_key(request.form, context.options)
    if labels:  # sent by Locust's own form
        request.form = ImmutableMultiDict(
            [(labels.get(name, name), value) for name, value in request.form.items(multi=True)]
        )
    if fixed_users is not None and going:
        return _refused(["the number of users of this load cannot be edited: stop it, and start another"])
    if fixed_users is not None:  # whatever number Locust's own form asked for
        request.form = ImmutableMultiDict(
            {**request.form, "user_count": str(fixed_users), "spawn_rate": FIXED_USERS_PER_S}
        )
    if not request.form.get("run_time", "none"):
        context.values["run_time"] = None  # Locust would go on showing the limit of the run before
    lines = unknown_fields(request.form, context.options, context.custom_fields)
    lines += outside_files(request.form, context.options, context.given, Path.cwd())
    picked = {PICKED: request.form.getlist(PICKED)}
    lines += mistakes(request.form, lambda values: context.controller.plan_of({**values, **picked}))
    if context.workers == 0:
        lines.append("no worker is connected: start one with --worker, or use --processes")
    question = None if lines or going else _key_question(context)
    if not lines and question is None:
        return None
    if not going:
        context.controller.turn_away(lines)
    return _refused(lines) if lines else question


def _refused(lines: list[str], **more: str) -> Response:
    return jsonify({"success": False, "message": "; ".join(lines), "mistakes": lines, **more})


def _key_question(context: PageContext) -> Response | None:
    """Ask whether a host that was not given when Locust started may have the API key; None where that is known."""
    host = str(request.form.get("host") or context.environment.host or "")
    said = request.form.get(KEY_HOST, "")
    if said == WITHOUT_KEY or not context.asks_for_key(host):
        return None
    if said == host:
        context.controller.key_hosts.confirm(host)
        return None
    words = (
        f"{one_line(host)} was not given when Locust was started: may it be sent the API key of CHATLOAD_API_KEY? "
        f"Answer on the live page (/chatload), or send {KEY_HOST}={one_line(host)} for yes, "
        f"{KEY_HOST}={WITHOUT_KEY} for a start without the key"
    )
    return _refused([words], key_host=host)
