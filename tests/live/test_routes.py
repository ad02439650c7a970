"""Our routes on a Flask app that stands for Locust's: headers, names, escapes, auth, base path, refusals."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, jsonify, request

from chatload.engine.api_key import KeyHosts
from chatload.live import page
from chatload.live.live_run import LiveRun
from chatload.loads.registry import SHAPES
from chatload.model.hosts import ServerFacts
from chatload.model.journal_lines import HealthLine
from chatload.options.run_options import WHEN_OVERLOADED
from chatload.store.manifest import Manifest
from tests.plans import plan_of

sys.path.insert(0, str(Path(__file__).parent))
from turns import turn

NASTY = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
HOST = "http://127.0.0.1:1"
OURS = (
    "/chatload",
    "/chatload/live.json",
    "/chatload/metrics",
    "/chatload/form.json",
    "/chatload/assets/live.js",
    "/chatload/files/manifest.json",
    "/chatload/plots/a.png",
)


class Hook:
    def __init__(self) -> None:
        self.listeners: list[Any] = []

    def add_listener(self, listener: Any) -> None:
        self.listeners.append(listener)


class FakeController:
    """What the page asks of a run controller."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.plan = None
        self.exit_code = None
        self.level = ""
        self.refusal: tuple[str, ...] = ()
        self.observers: list[Any] = []
        self.key_hosts = KeyHosts("http://127.0.0.1:1", NASTY)
        self.manifest = Manifest(
            scenario=NASTY, plan_sentence=NASTY, server=ServerFacts(model=NASTY, words=NASTY)
        )

    def plan_of(self, values: Any) -> Any:
        return plan_of("chat", {"host": "http://127.0.0.1:1", **values})

    def turn_away(self, lines: list[str]) -> None:
        self.refusal = tuple(lines)


class Desk:
    """The app with our part installed, as `app.test_client` sees it."""

    def __init__(
        self,
        folder: Path | None,
        base_path: str | None = None,
        *,
        logged_in: bool = True,
        kind: str = "chat",
        **values: Any,
    ) -> None:
        app = Flask("locust-like")
        locust = Blueprint("locust", "locust-like", url_prefix=base_path)
        self.swarms, self.form = 0, {}

        @locust.route("/")
        def index() -> str:
            return '<body><div id="root"></div></body>'

        @locust.route("/stats/requests")
        def request_stats() -> Response:
            return jsonify({"stats": []})

        @locust.route("/swarm", methods=["POST"])
        def swarm() -> Response:
            self.swarms += 1
            self.form = dict(request.form)
            return jsonify({"success": True})

        app.register_blueprint(locust)

        def guarded(view: Any) -> Any:
            def answer(*args: Any, **kwargs: Any) -> Any:
                return view(*args, **kwargs) if logged_in else Response("who are you?", 401)

            answer.__name__ = view.__name__
            return answer

        web_ui = SimpleNamespace(
            app=app, template_args={}, auth_required_if_enabled=guarded, update_template_args=lambda: None
        )
        self.events = SimpleNamespace(reset_stats=Hook(), spawning_complete=Hook(), test_stop=Hook())
        self.controller = FakeController(folder)
        options = SimpleNamespace(web_base_path=base_path, **values)
        self.runner = SimpleNamespace(state="ready", target_user_count=0)
        environment = SimpleNamespace(
            host=NASTY, web_ui=web_ui, events=self.events, parsed_options=options, runner=self.runner
        )
        page.install(web_ui, environment, self.controller, SHAPES[kind])  # type: ignore[arg-type]
        self.template_args = web_ui.template_args
        self.client = app.test_client()

    @property
    def live(self) -> LiveRun:
        return self.controller.observers[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    (made / "plots").mkdir(parents=True)
    (made / "manifest.json").write_text("{}")
    (made / "report.html").write_text("<p>report")
    (made / "journal-local.jsonl").write_text('{"kind":"start"}\n')
    (made / "plots" / "a.png").write_bytes(b"png")
    (tmp_path / "secret.txt").write_text("CANARY")
    return made


def test_every_answer_of_ours_forbids_what_it_can(folder: Path) -> None:
    client = Desk(folder).client
    for path in OURS:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in client.get("/chatload").headers["Content-Security-Policy"]


def test_text_of_others_is_escaped_on_the_page(folder: Path) -> None:
    text = Desk(folder, model=NASTY, label=NASTY).client.get("/chatload").text
    assert "<img" not in text
    assert "alert(2)</script>" not in text
    assert text.count("&lt;img") == 3
    assert text.count("<script") == 1


def test_no_secret_is_on_any_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATLOAD_API_KEY", "CANARY")
    client = Desk(folder, headers='{"X-Team": "CANARY"}').client
    for path in (*OURS, "/", "/stats/requests"):
        assert b"CANARY" not in client.get(path).data, path


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "journal-local.jsonl",
        "plots/a.png",
        "..",
        "%00",
        "/etc/passwd",
        "page.html",
        "%2fetc%2fpasswd",
        "manifest.json/../../secret.txt",
        "..\\secret.txt",
        "manifest.json%00.png",
    ],
)
def test_no_other_name_is_ever_served(folder: Path, name: str) -> None:
    client = Desk(folder).client
    for kind in ("files", "plots", "assets"):
        answer = client.get(f"/chatload/{kind}/{name}")
        assert b"CANARY" not in answer.data
        assert answer.status_code in (404, 308), (kind, name)


def test_downloads(folder: Path) -> None:
    client = Desk(folder).client
    journal = client.get("/chatload/files/journal.jsonl")
    assert journal.data == b'{"kind":"start"}\n'
    assert "attachment" in journal.headers["Content-Disposition"]
    report = client.get("/chatload/files/report.html")
    assert "attachment" not in report.headers.get("Content-Disposition", "")
    assert report.headers["Content-Security-Policy"].startswith("sandbox")
    assert "attachment" in client.get("/chatload/files/report.html?download").headers["Content-Disposition"]
    assert client.get("/chatload/files/summary.json").status_code == 404


def test_before_the_first_run_there_is_a_page_and_nothing_to_download() -> None:
    client = Desk(None).client
    assert client.get("/chatload").status_code == 200
    assert client.get("/chatload/files/manifest.json").status_code == 404
    state = json.loads(client.get("/chatload/live.json").data)
    assert (state["files"], state["rows"], state["points"]) == ([], [], [])


def test_with_a_login_every_route_of_ours_wants_it(folder: Path) -> None:
    client = Desk(folder, logged_in=False).client
    assert {client.get(path).status_code for path in OURS} == {401}


def test_under_a_base_path_all_is_below_it(folder: Path) -> None:
    desk = Desk(folder, "/lab")
    for path in OURS:
        assert desk.client.get("/lab" + path).status_code == 200
        assert desk.client.get(path).status_code == 404
    assert b'href="./chatload"' in desk.client.get("/lab/").data
    assert "extended_stats" in json.loads(desk.client.get("/lab/stats/requests").data)
    refused = desk.client.post("/lab/swarm", data={"user_count": "1", "spawn_rate": "1", "turns": "x"})
    assert json.loads(refused.data)["success"] is False


def test_a_start_that_cannot_work_starts_nothing_and_is_told_everywhere(folder: Path) -> None:
    desk = Desk(folder)
    answer = json.loads(
        desk.client.post("/swarm", data={"user_count": "1", "spawn_rate": "1", "turns": "x"}).data
    )
    assert answer["success"] is False
    assert answer["mistakes"] == ["--turns 'x': must be a whole number from 0 to 1,000,000"]
    assert desk.swarms == 0
    assert json.loads(desk.client.get("/chatload/live.json").data)["refusal"] == answer["mistakes"]
    desk.client.post("/swarm", data={"user_count": "1", "spawn_rate": "1", "turns": "2"})
    assert desk.swarms == 1


def test_locust_s_users_only_tend_an_open_loop(folder: Path) -> None:
    desk = Desk(folder, kind="open_loop")
    assert 'name="user_count"' not in desk.client.get("/chatload").text.partition('id="start"')[2]
    desk.runner.worker_count, desk.runner.clients = 3, {}
    desk.client.post("/swarm", data={"user_count": "50", "spawn_rate": "1", "requests": "9", "host": HOST})
    assert (desk.form["user_count"], desk.form["requests"]) == ("3", "9")
    desk.runner.state = "running"
    assert "cannot be edited" in desk.client.post("/swarm", data={"user_count": "5", "spawn_rate": "1"}).text
    assert (desk.swarms, desk.controller.refusal) == (1, ())


def test_an_edit_that_cannot_be_is_refused_but_is_no_failed_start(folder: Path) -> None:
    desk = Desk(folder)
    desk.runner.state = "running"
    assert "--users" in desk.client.post("/swarm", data={"user_count": "0", "spawn_rate": "1"}).text
    assert (desk.swarms, desk.controller.refusal) == (0, ())


def test_a_limit_that_was_taken_away_is_not_shown_again(folder: Path) -> None:
    desk = Desk(folder, run_time=777)
    assert 'value="777"' in desk.client.get("/chatload").text
    desk.client.post("/swarm", data={"user_count": "1", "spawn_rate": "1", "run_time": ""})
    assert 'value="777"' not in desk.client.get("/chatload").text


def test_while_the_server_is_asked_the_page_says_so(folder: Path) -> None:
    desk = Desk(folder)
    states = []
    for plan, code, refusal, state in (
        (None, None, (), "ready"),
        ("plan", None, (), "stopped"),
        ("plan", None, (), "running"),
        ("plan", 0, (), "stopped"),
        ("plan", None, ("no",), "stopped"),
    ):
        desk.controller.exit_code, desk.controller.refusal, desk.runner.state = code, refusal, state
        desk.controller.plan = plan and plan_of("chat", {"host": "http://127.0.0.1:1"})
        states.append(json.loads(desk.client.get("/chatload/live.json").data)["state"])
    assert states == ["ready", "asking", "running", "stopped", "stopped"]


def test_without_a_worker_nothing_starts(folder: Path) -> None:
    desk = Desk(folder)
    desk.runner.worker_count, desk.runner.clients = 0, {}
    answer = json.loads(desk.client.post("/swarm", data={"user_count": "1", "spawn_rate": "1"}).data)
    assert "no worker" in answer["message"]
    assert desk.swarms == 0


def test_the_tab_is_announced_and_filled(folder: Path) -> None:
    desk = Desk(folder)
    key = desk.template_args["extended_tabs"][0]["key"]
    assert desk.template_args["extended_tables"][0]["key"] == key
    assert json.loads(desk.client.get("/stats/requests").data)["extended_stats"] == [{"key": key, "data": []}]


def test_locust_s_page_has_a_line_above_it_that_covers_nothing(folder: Path) -> None:
    desk = Desk(folder)
    told = desk.client.get("/").data.decode()
    assert told.index('href="./chatload"') < told.index('<div id="root">') < told.index("locust_page.js")
    assert "fixed" not in told
    assert json.loads(desk.client.get("/chatload/notice.json").data) == {"lines": [], "outcome": ""}
    desk.controller.refusal = ("--turns 'x': must be a number",)
    told = json.loads(desk.client.get("/chatload/notice.json").data)["lines"]
    assert told == ["The run did not start:", "--turns 'x': must be a number"]


def test_fields_of_locust_s_form_come_back_by_their_labels(folder: Path) -> None:
    desk = Desk(folder, when_overloaded="fail")
    form = {"user_count": "1", "spawn_rate": "1", "Turns each user holds": "7", WHEN_OVERLOADED.label: "wait"}
    desk.client.post("/swarm", data=form)
    assert desk.form == {"user_count": "1", "spawn_rate": "1", "turns": "7", "when_overloaded": "wait"}
    form["Turns each user holds"] = "many"
    told = json.loads(desk.client.post("/swarm", data=form).data)
    assert [line.split(":")[0] for line in told["mistakes"]] == ["--turns 'many'"]


def test_the_page_asks_only_for_what_it_has_not(folder: Path) -> None:
    desk = Desk(folder)
    desk.live.begin("r", 0)
    desk.live.on_line(HealthLine(at_ns=1, seconds=1.0, users=1, in_flight=0))
    first = json.loads(desk.client.get("/chatload/live.json").data)
    assert len(first["points"]) == 1
    again = f"/chatload/live.json?run={first['run']}&since={first['revision']}"
    assert json.loads(desk.client.get(again).data)["points"] == []
    other = f"/chatload/live.json?run=other&since={first['revision']}"
    assert len(json.loads(desk.client.get(other).data)["points"]) == 1
    assert desk.client.get("/chatload/live.json?since=x").status_code == 200


def test_locust_s_reset_is_heard_and_its_reset_after_the_ramp_too(folder: Path) -> None:
    desk = Desk(folder, reset_stats=True)
    for hook in (desk.events.reset_stats, desk.events.spawning_complete):
        before = desk.live.resets
        hook.listeners[0]()
        assert desk.live.resets == before + 1


def test_slos_are_judged_while_the_run_goes_on(folder: Path) -> None:
    desk = Desk(folder)
    assert json.loads(desk.client.get("/chatload/live.json").data)["slo"] == {"of": "", "rows": []}
    desk.controller.plan = desk.controller.plan_of({"slo": "p50 ttft_ms <= 500; failed_share <= 90%"})
    desk.live.begin("r", 0)
    for user in range(20):
        desk.live.on_line(turn(user))
    rows = json.loads(desk.client.get("/chatload/live.json").data)["slo"]["rows"]
    assert [(row["slo"], row["words"], row["value"], row["turns"]) for row in rows] == [
        ("p50 ttft_ms <= 500", "met so far", "100 ms", 20),
        ("failed_share <= 90%", "met so far", "0 %", 20),
    ]
    assert rows[0]["sure"] == "unsure", "no interval of so short a run"
