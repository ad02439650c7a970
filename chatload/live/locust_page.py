"""What chatload adds to Locust's own page: a line above it, its start form's groups, and a tab.

The tab's table takes texts and numbers and sorts rows by `name`; its charts, which Locust has no place for
(docs/decisions/020-charts-in-our-tab.md), are drawn by assets/locust_page.js.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response, request

from chatload.live.live_table import Row, Value, columns
from chatload.live.locust_form import labelled_fields
from chatload.live.page_context import PageContext
from chatload.live.start_request import GOING
from chatload.model.sanitize import one_line

TAB = "chatload"
ADDED = (
    '<link rel="stylesheet" href="./chatload/assets/locust_page.css">'
    '<div id="chatload-bar" role="region" aria-label="chatload"><p>chatload: <a href="./chatload">TTFT and tokens/s '
    'live</a><span id="chatload-outcome"></span></p><div id="chatload-notice" role="alert" hidden></div></div>'
)
"""Above Locust's own page, so that it covers nothing: a link to ours, how the last run ended, why one did not start."""
SCRIPT = '<script type="module" src="./chatload/assets/locust_page.js"></script>'


def install(web_ui: Any, context: PageContext) -> None:
    """Add tab, line and groups. Any: Locust has no types."""
    web_ui.template_args["extended_tabs"] = [{"title": "TTFT and tokens/s", "key": TAB}]
    web_ui.template_args["extended_tables"] = [{"key": TAB, "structure": tab_columns()}]
    # else the form's fields are in the order of the alphabet
    web_ui.app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}
    update = web_ui.update_template_args

    def update_with_ours() -> None:
        update()
        extra = web_ui.template_args.get("extra_options") or {}
        web_ui.template_args["extra_options"] = labelled_fields(context.options, extra, context.values)

    web_ui.update_template_args = update_with_ours
    web_ui.app.after_request(lambda response: _extend(context, response))


def notice(context: PageContext) -> dict[str, object]:
    """How the last run ended, and why it did not start, or failed; nothing during a run."""
    controller, runner = context.controller, context.environment.runner
    if runner is not None and runner.state in GOING:
        return {"lines": [], "outcome": ""}
    failure = controller.manifest.failure
    lines: list[str] = []
    if controller.refusal:
        lines = ["The run did not start:", *(one_line(words, 400) for words in controller.refusal)]
    elif failure:
        lines = [f"The run failed: {one_line(failure, 500)}"]
    outcome = context.outcomes.of(context.folder, controller.manifest.capacity)
    lines += [outcome.untrusted] if outcome.untrusted and not lines else []
    return {"lines": lines, "outcome": "" if controller.refusal else outcome.verdict}


def _extend(context: PageContext, response: Response) -> Response:
    """Add our rows to Locust's statistics, and our parts to Locust's page."""
    if request.endpoint == "locust.request_stats" and response.is_json:
        report = response.get_json()
        scenario = context.controller.manifest.scenario
        report["extended_stats"] = [{"key": TAB, "data": tab_rows(context.live.table(scenario))}]
        response.set_data(context.environment.web_ui.app.json.dumps(report))
    elif request.endpoint == "locust.index" and response.mimetype == "text/html" and not response.is_streamed:
        root = '<div id="root"></div>'
        response.set_data(response.get_data(as_text=True).replace(root, ADDED + root + SCRIPT, 1))
    return response


def tab_columns() -> list[dict[str, str]]:
    """The columns, in the form that Locust's page takes."""
    named = [("part", "Scenario / part")]
    for one in columns():
        title = one.title[0].upper() + one.title[1:]
        named.append((one.key, f"{title} ({one.unit})" if one.unit else title))
    return [{"key": key, "title": title} for key, title in named]


def tab_rows(table: Sequence[Row]) -> list[Row]:
    """Rows of `LiveRun.table` for Locust's page: rounded, a dash for None, `name` a number that keeps the order."""
    return [
        {
            **{key: _shown(value) for key, value in row.items()},
            "part": str(row["name"]).replace(" ", "\u00a0"),  # never broken over two lines
            "name": f"{place:04d}",
        }
        for place, row in enumerate(table)
    ]


def _shown(value: Value) -> Value:
    if value is None:
        return "–"
    return round(value, 1) if isinstance(value, float) else value
