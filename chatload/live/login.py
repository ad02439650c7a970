"""Login to the web UI: needed wherever it listens beyond the loopback. Uses Locust's own login page."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import gevent
from flask import Blueprint, Request, Response, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user, login_user

from chatload.engine.api_key import WEB_PASSWORD as PASSWORD
from chatload.engine.api_key import web_password
from chatload.runner.bind_check import is_loopback

NAME = "chatload"
OPEN_TO_ALL = ("locust.login", "locust.send_assets", "chatload_login.enter")
PAGES = ("locust.index", "chatload.page")
"""Requests for these, also from a Kubernetes probe, are redirected to the login; others are refused."""
METRICS = "chatload.metrics"
PAUSE_S = 1.0
"""Delay of the answer to a wrong password, in s."""


class Visitor(UserMixin):
    """A visitor who gave the right password."""

    id = NAME


def require_login(
    web_ui: Any, values: Mapping[str, object], environ: Mapping[str, str] = os.environ
) -> list[str]:
    """Require a login if the web UI is open to other machines or --web-login is given. Returns lines to print.

    A login of the locustfile's own (Locust's documentation, "Adding authentication") is kept. Any: Locust has no types.
    """
    open_to_others = not is_loopback(web_ui.host or "")
    if not open_to_others and not web_ui.web_login:
        return []
    said = []
    if open_to_others:
        plain = "" if values.get("tls_cert") else " over plain HTTP; --tls-cert and --tls-key encrypt it"
        said.append(f"the web UI is open to other machines ({web_ui.host or '*'}:{web_ui.port}){plain}")
    if not web_ui.web_login:
        web_ui.web_login = True
        web_ui.login_manager = LoginManager(web_ui.app)
        web_ui.login_manager.login_view = "locust.login"
    if web_ui.login_manager._user_callback is not None:
        _check_requests(web_ui, lambda: False)
        return said
    password = web_password(environ) or secrets.token_urlsafe(15)
    _add_login(web_ui, password, str(values.get("web_base_path") or ""))
    web_ui.app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=bool(values.get("tls_cert")),
    )
    given = web_password(environ) == password
    known = f"the password of {PASSWORD}" if given else f"{password} ({PASSWORD} sets another)"
    return [*said, f"log in to the web UI as {NAME!r} with {known}"]


def _add_login(web_ui: Any, password: str, base_path: str) -> None:
    """Make Locust's login page take the password, and refuse everything else before."""
    manager = web_ui.login_manager

    def load(name: str) -> Visitor | None:
        return Visitor() if name == NAME else None

    manager.user_loader(load)

    @manager.request_loader
    def scraper(asked: Request) -> Visitor | None:
        """Prometheus has no form to fill in: it sends name and password with each request for the metrics."""
        given = asked.authorization
        if (
            asked.endpoint != METRICS
            or given is None
            or given.type != "basic"
            or manager._user_callback is not load
        ):
            return None
        if given.username == NAME and hmac.compare_digest((given.password or "").encode(), password.encode()):
            return Visitor()
        gevent.sleep(PAUSE_S)
        return None

    _check_requests(web_ui, lambda: manager._user_callback is load)
    web_ui.auth_args = {
        "username_password_callback": f"{base_path}/chatload/login",
        "title": "chatload",
    }
    blueprint = Blueprint("chatload_login", __name__, url_prefix=base_path or None)

    @blueprint.route("/chatload/login", methods=["POST"])
    def enter() -> ResponseReturnValue:
        """Takes the form of Locust's login page."""
        given = request.form.get("password", "")
        right = hmac.compare_digest(given.encode(), password.encode())
        if request.form.get("username") == NAME and right and manager._user_callback is load:
            login_user(Visitor())
            return redirect(url_for("locust.index"))
        gevent.sleep(PAUSE_S)
        session["auth_error"] = "Wrong name or password."
        return redirect(url_for("locust.login"))

    web_ui.app.register_blueprint(blueprint)


def _check_requests(web_ui: Any, everywhere: Callable[[], bool]) -> None:
    """Check each request before all other listeners; where the login is not ours, only a start of a run."""

    def check() -> ResponseReturnValue | None:
        known = not web_ui.web_login or current_user.is_authenticated
        if known or request.endpoint in OPEN_TO_ALL:
            return None
        if request.endpoint != "locust.swarm" and not everywhere():
            return None
        asks_for_page = request.endpoint in PAGES or "text/html" in request.headers.get("Accept", "")
        if request.method == "GET" and asks_for_page:
            return redirect(url_for("locust.login"))
        return Response("log in first\n", 401, mimetype="text/plain")

    web_ui.app.before_request(check)
