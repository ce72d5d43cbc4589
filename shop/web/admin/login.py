"""Login through Flask-Security: passwords only for now, no registration, and one answer to every wrong pair.

Flask-Login, Flask-Principal and Flask-Security want to look at the session on every request of the app. Here they look
under /admin alone: a reader's page does without, and without the `Vary: Cookie` that would follow from it.
"""

import re
from datetime import timedelta
from typing import Any

import structlog
from flask import Flask, Response, request
from flask_security import FSQLALiteUserDatastore, LoginForm, Security, user_authenticated

from shop.config import Settings
from shop.db import now
from shop.staff import audit
from shop.staff.accounts import ADDRESS_RULES, MAX_PASSWORD, MIN_PASSWORD, note_login
from shop.staff.models import Role, StaffUser
from shop.web.house import db, house
from shop.web.limits import limiter

log = structlog.get_logger(__name__)

THEIRS = ("flask_login", "flask_principal", "flask_security")
DOORS = ("admin", "security")
WRONG = "This address and password do not belong together."


class StaffLoginForm(LoginForm):
    """Flask-Security's form without "remember me": a shared newsroom machine must not stay logged in for a year."""

    remember = None

    def validate_next(self, field: Any) -> None:
        """A way on that does not lead into the back office is forgotten, not complained about."""
        if not leads_inside(field.data or ""):
            field.data = ""

    def validate(self, **extra: Any) -> bool:
        # No account has a longer password, and hashing a megabyte would be work done for a stranger.
        if len(self.password.data or "") > MAX_PASSWORD or "\0" in (self.password.data or ""):
            self.form_errors.append(WRONG)
            return False
        return bool(super().validate(**extra))


def leads_inside(address: str) -> bool:
    """Whether an address is one of the back office's own: nothing else is ever redirected to after a login."""
    return bool(re.fullmatch(r"/admin(?:[/?][\x21-\x5b\x5d-\x7e]*)?", address))


def register(app: Flask, settings: Settings) -> None:
    """Attach Flask-Security to `app`, under /admin."""
    app.config.update(
        SECURITY_URL_PREFIX="/admin",
        SECURITY_POST_LOGIN_VIEW="/admin/",
        SECURITY_POST_LOGOUT_VIEW="/admin/login",
        SECURITY_DATETIME_FACTORY=now,
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106  the name of an algorithm
        SECURITY_PASSWORD_SINGLE_HASH={"argon2"},
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        # For links that Flask-Security signs; passwords do without, see shop.staff.accounts.
        SECURITY_PASSWORD_SALT=settings.secret_keys[0],
        SECURITY_PASSWORD_LENGTH_MIN=MIN_PASSWORD,
        SECURITY_EMAIL_VALIDATOR_ARGS=dict(ADDRESS_RULES),
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_MSG_GENERIC_AUTHN_FAILED=(WRONG, "error"),
        SECURITY_LOGOUT_METHODS=["POST"],
        SECURITY_STATIC_FOLDER=None,
        SECURITY_API_ENABLED_METHODS=["session"],
        SECURITY_FLASH_MESSAGES=False,
        # No page asks for a fresh password yet; a negative time leaves the address for it out.
        SECURITY_FRESHNESS=timedelta(minutes=-1),
    )
    security = Security(app, FSQLALiteUserDatastore(db, StaffUser, Role), login_form=StaffLoginForm)
    security.want_json(lambda _request: False)  # pages only: a login for programs would get round the form's rules
    _confine(app)
    app.before_request_funcs.setdefault("security", []).insert(0, _limit)
    app.after_request_funcs.setdefault("security", []).append(_answer)
    user_authenticated.connect(_remember, app)


def _confine(app: Flask) -> None:
    """Move what the three extensions do on every request to the staff's doors."""
    hooks: list[dict[Any, Any]] = [
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.template_context_processors,
    ]
    everywhere = app.template_context_processors[None]
    everywhere[:] = [function for function in everywhere if function.__module__ != "flask_login.utils"]
    for hook in hooks:
        everywhere = hook.get(None, [])
        theirs = [function for function in everywhere if function.__module__.startswith(THEIRS)]
        hook[None] = [function for function in everywhere if function not in theirs]
        for door in DOORS:
            hook[door] = theirs + hook.get(door, [])


@limiter.limit("10 per minute")
def _count_attempt() -> None:
    """Raises 429 after ten attempts a minute from one address."""


def _limit() -> None:
    if request.method == "POST" and request.endpoint == "security.login":
        _count_attempt()


def _answer(response: Response) -> Response:
    """A refused login is 422 like every other refused form, and no page about logging in is kept or indexed."""
    if request.method == "POST" and request.endpoint == "security.login" and response.status_code == 200:
        response.status_code = 422
        log.warning("login_refused", address=request.remote_addr)
    if request.method == "POST" and response.location and not leads_inside(response.location):
        response.location = "/admin/"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _remember(app: Flask, user: StaffUser, **how: Any) -> None:
    """Write the login down in a transaction of its own, so that the reading session stays one."""
    with house().database.transaction() as session:
        note_login(session, user.id, request.remote_addr or "")
        audit.record(session, user.email, "login", f"account {user.email}")
