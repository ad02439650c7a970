"""Who may look: on the loopback everybody on this machine, elsewhere only who logs in (Locust's own login page)."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import gevent
from flask import Blueprint, Response, redirect, request, session, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user

from chatload.engine.api_key import WEB_PASSWORD as PASSWORD
from chatload.engine.api_key import web_password
from chatload.runner.bind_check import is_loopback

NAME = "chatload"
OPEN_TO_ALL = ("locust.login", "locust.send_assets", "chatload_login.enter")
PAGES = ("locust.index", "chatload.page")
"""Who asks for one, a probe of Kubernetes' too, is led to the login; anything else is refused."""
PAUSE_S = 1.0
"""What a wrong password costs."""


class Visitor(UserMixin):
    """Whoever knows the password."""

    id = NAME


def guard(web_ui: Any, values: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Ask for a login where the page is open to other machines, and where --web-login does; what to say of it.

    A locustfile that brings its own login (Locust's documentation, "Adding authentication") keeps it.
    """
    open_to_others = not is_loopback(web_ui.host or "")
    if not open_to_others and not web_ui.web_login:
        return []
    said = []
    if open_to_others:
        plain = "" if values.get("tls_cert") else " over plain HTTP, which --tls-cert and --tls-key would end"
        said.append(f"the web UI is open to other machines ({web_ui.host or '*'}:{web_ui.port}){plain}")
    if not web_ui.web_login:
        web_ui.web_login = True
        web_ui.login_manager = LoginManager(web_ui.app)
        web_ui.login_manager.login_view = "locust.login"
    if web_ui.login_manager._user_callback is not None:
        _keep_strangers_out(web_ui, lambda: False)
        return said
    password = web_password(environ) or secrets.token_urlsafe(15)
    _let_in(web_ui, password, values.get("web_base_path") or "")
    web_ui.app.config.update(
        SECRET_KEY=secrets.token_bytes(32), SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=bool(values.get("tls_cert")),
    )  # fmt: skip
    given = web_password(environ) == password
    known = f"the password of {PASSWORD}" if given else f"{password} ({PASSWORD} sets another)"
    return [*said, f"log in to the web UI as {NAME!r} with {known}"]


def _let_in(web_ui: Any, password: str, base_path: str) -> None:
    """Make Locust's login page take the password; nobody sees anything else before."""
    manager = web_ui.login_manager

    def load(name: str) -> Visitor | None:
        return Visitor() if name == NAME else None

    manager.user_loader(load)
    _keep_strangers_out(web_ui, lambda: manager._user_callback is load)
    web_ui.auth_args = {
        "username_password_callback": f"{base_path}/chatload/login",
        "title": "chatload",
    }
    blueprint = Blueprint("chatload_login", __name__, url_prefix=base_path or None)

    @blueprint.route("/chatload/login", methods=["POST"])
    def enter() -> Any:
        """What Locust's login page sends its form to."""
        given = request.form.get("password", "")
        right = hmac.compare_digest(given.encode(), password.encode())
        if request.form.get("username") == NAME and right and manager._user_callback is load:
            login_user(Visitor())
            return redirect(url_for("locust.index"))
        gevent.sleep(PAUSE_S)
        session["auth_error"] = "That is not the name, or not the password."
        return redirect(url_for("locust.login"))

    web_ui.app.register_blueprint(blueprint)


def _keep_strangers_out(web_ui: Any, everywhere: Callable[[], bool]) -> None:
    """Before any other listener to a request; where the login is not ours, only a start is looked at."""

    def check() -> Any:
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
