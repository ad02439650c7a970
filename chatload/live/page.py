"""chatload's part of Locust's web UI: a tab on its page, the live page at /chatload, downloads of the run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import orjson
from flask import Blueprint, Response, abort, jsonify, render_template_string, request, send_file

from chatload.analysis.quantities import (
    DECODE,
    FELT,
    IN_FLIGHT,
    ONE_USER,
    OUTPUT,
    TTFT,
    USERS,
    USERS_IN_FLIGHT,
)
from chatload.engine.clock import now_ns
from chatload.live import downloads, locust_page
from chatload.live.live_run import LiveRun
from chatload.live.locust_form import OWN, groups_on_page
from chatload.live.metrics_page import CONTENT_TYPE, metrics_page
from chatload.live.page_context import PageContext
from chatload.live.run_metrics import RunMetrics
from chatload.live.slo_so_far import counting_for
from chatload.live.start_form import groups
from chatload.live.start_request import GOING, check_start
from chatload.loads.load_shape import Shape
from chatload.model.sanitize import one_line
from chatload.model.words import listed

if TYPE_CHECKING:  # importing it imports Locust, which patches the process
    from chatload.runner.run_controller import RunController

ASSETS = Path(__file__).parent / "assets"
ASSET_KINDS = {".js": "text/javascript", ".css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
CHARTED = {
    "ttft": TTFT,
    "output": OUTPUT,
    "one_user": ONE_USER,
    "decode": DECODE,
    "felt": FELT,
    "users_in_flight": USERS_IN_FLIGHT,
    "users": USERS,
    "in_flight": IN_FLIGHT,
}
"""What run_charts.js calls the quantities that plots/ draw too."""
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)
"""A report may run its own scripts, but has no access to the web UI."""


def install(
    web_ui: Any,
    environment: Any,
    controller: RunController,
    shape: Shape,
    custom_fields: Callable[[], Collection[str]] = tuple,
) -> None:
    """Add tab, page and downloads to Locust's web UI, and observe the controller's runs.

    `custom_fields` gives the names of the locustfile's own options. Any: Locust has no types.
    """
    live = LiveRun(lambda: counting_for(controller.plan))
    controller.observers.append(live)
    given = dict(vars(environment.parsed_options))
    metrics = RunMetrics(controller)
    controller.observers.append(metrics)
    context = PageContext(environment, controller, live, shape, custom_fields, given)
    environment.events.reset_stats.add_listener(lambda **_: live.reset())
    environment.events.spawning_complete.add_listener(lambda **_: _reset_after_ramp(context))
    environment.events.test_stop.add_listener(lambda **_: _quit_when_done(context))
    locust_page.install(web_ui, context)
    base_path = context.values.get("web_base_path") or None
    blueprint = Blueprint("chatload", __name__, url_prefix=base_path)
    _add_routes(blueprint, context, metrics, web_ui.auth_required_if_enabled)
    web_ui.app.register_blueprint(blueprint)
    web_ui.app.before_request(lambda: check_start(context))


def _quit_when_done(context: PageContext) -> None:
    """Quit after a run that ended by itself: Locust's --autoquit waits for --run-time only."""
    controller, seconds = context.controller, context.values.get("autoquit", -1)
    by_hand = controller.exit_code is None or controller.manifest.ended == "interrupted"
    if by_hand or not context.values.get("autostart") or seconds < 0:
        return
    run_id = context.live.run_id

    def quit_locust() -> None:
        if context.live.run_id == run_id:
            context.environment.runner.quit()
            context.environment.web_ui.stop()

    gevent.spawn_later(seconds, quit_locust)


def _reset_after_ramp(context: PageContext) -> None:
    """Reset with --reset-stats, for which Locust fires no event."""
    if context.values.get("reset_stats"):
        context.live.reset()


def _add_routes(blueprint: Blueprint, context: PageContext, metrics: RunMetrics, guarded: Any) -> None:
    @blueprint.route("/chatload")
    @guarded
    def page() -> Response:
        text = render_template_string(
            (ASSETS / "page.html").read_text(encoding="utf-8"),
            groups=groups(context.options, context.values),
            values=context.values,
            fixed_users=context.fixed_users is not None,
            host=context.environment.host or "",
            quantities=_quantities(),
        )
        return _ours(Response(text, mimetype="text/html"))

    @blueprint.route("/chatload/live.json")
    @guarded
    def state() -> Response:
        state = orjson.dumps(_state(context, _since(context.live)))
        return _ours(Response(state, mimetype="application/json"))

    @blueprint.route("/chatload/metrics", endpoint="metrics")
    @guarded
    def for_prometheus() -> Response:
        return _ours(Response(metrics_page(metrics), content_type=CONTENT_TYPE))

    @blueprint.route("/chatload/notice.json")
    @guarded
    def notice() -> Response:
        return _ours(jsonify(locust_page.notice(context)))

    @blueprint.route("/chatload/form.json", endpoint="form")
    @guarded
    def form_groups() -> Response:
        about = {
            "groups": groups_on_page(context.options),
            "own": OWN,
            "quantities": _quantities(),
            "fixed_users": context.fixed_users is not None,
        }
        return _ours(jsonify(about))

    @blueprint.route("/chatload/assets/<name>")
    @guarded
    def asset(name: str) -> Response:
        path = next((path for path in ASSETS.iterdir() if path.name == name), None)
        if path is None or path.suffix not in ASSET_KINDS:
            abort(404)
        return _ours(send_file(path, mimetype=ASSET_KINDS[path.suffix], max_age=0))

    @blueprint.route("/chatload/files/<name>")
    @guarded
    def file(name: str) -> Response:
        folder = context.folder
        if folder is None or name not in downloads.offered(folder):
            abort(404)
        if name == downloads.JOURNAL:
            return _ours(_journal(folder))
        as_attachment = name != downloads.REPORT or "download" in request.args
        path = (folder / name).resolve()
        response = _ours(
            send_file(path, mimetype=downloads.KINDS[name], as_attachment=as_attachment, max_age=0)
        )
        if name == downloads.REPORT:
            response.headers["Content-Security-Policy"] = REPORT_POLICY
        return response

    @blueprint.route("/chatload/plots/<name>")
    @guarded
    def plot(name: str) -> Response:
        folder = context.folder
        if folder is None or name not in downloads.pictures(folder):
            abort(404)
        path = (folder / "plots" / name).resolve()
        response = _ours(send_file(path, mimetype=downloads.PICTURES[path.suffix], max_age=0))
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
        return response


def _journal(folder: Path) -> Response:
    def blocks() -> Iterator[bytes]:
        for block in downloads.merged_journal(folder):
            yield block
            gevent.sleep(0)  # let the users of a run go on while a long journal is sent

    headers = {"Content-Disposition": f"attachment; filename={downloads.JOURNAL}"}
    return Response(blocks(), mimetype="application/x-ndjson", headers=headers)


def _ours(response: Response) -> Response:
    """The response with the headers of our own pages (live/same_origin.py adds those of every response)."""
    headers = response.headers
    headers["Content-Security-Policy"] = POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cache-Control"] = "no-store"
    return response


def _since(live: LiveRun) -> int:
    """The revision that the page has; 0 where it is of another run."""
    if request.args.get("run") != f"{live.run_id}.{live.resets}":
        return 0
    return request.args.get("since", 0, type=int)


def _state(context: PageContext, since: int) -> dict[str, object]:
    controller, runner = context.controller, context.environment.runner
    manifest = controller.manifest
    plan = controller.plan
    going = runner is not None and runner.state in GOING
    files, plots = context.offered.of(context.folder, now_ns(), going=going)
    return {
        **context.live.state(since),
        "run": f"{context.live.run_id}.{context.live.resets}",
        "state": _word(context, runner),
        "target_users": runner.target_user_count if runner is not None else 0,
        "workers": context.workers,
        "sentence": _capital(one_line(manifest.plan_sentence, 400)),
        "level": one_line(controller.level, 400),
        "server": _all_of(one.label for one in manifest.servers)
        + (" (simulated)" if manifest.simulation is not None else ""),
        "model": _all_of(one.model for one in manifest.servers),
        "planned": (plan.load.turns_with([one.users for one in manifest.edits]) if plan is not None else 0)
        or 0,
        "started": manifest.started_utc or None,
        "ended": manifest.ended,
        "exit_code": controller.exit_code,
        "outcome": asdict(context.outcomes.of(context.folder, manifest.capacity)),
        "problems": [one_line(words) for words in manifest.problems],
        "refusal": [one_line(words, 400) for words in controller.refusal],
        "failure": one_line(manifest.failure, 500),
        "folder": str(context.folder) if context.folder is not None else "",
        "rows": context.live.table(manifest.scenario),
        "files": files,
        "plots": plots,
    }


def _quantities() -> dict[str, dict[str, str]]:
    return {name: asdict(quantity) for name, quantity in CHARTED.items()}


def _all_of(words: Iterable[str]) -> str:
    """What is told of several servers, each once."""
    return one_line(listed(list(dict.fromkeys(filter(None, words)))))


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _word(context: PageContext, runner: Any) -> str:
    """Locust's state of the run, or our own "asking" (the server is being recognised), "failed" or "missing"."""
    if runner is None:
        return "missing"
    controller = context.controller
    if controller.manifest.ended == "failed" and runner.state not in GOING:
        return "failed"
    asking = controller.plan is not None and controller.exit_code is None and not controller.refusal
    return "asking" if asking and runner.state in ("ready", "stopped") else str(runner.state)
