"""The gate of the back office: nobody passes without a login, and nobody without the permission that a view names.

Closed by default: a view that names no permission answers 403 to everybody.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, current_app, g, redirect, request, session, url_for
from flask_security import current_user, logout_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from shop.staff import permissions
from shop.web.errors import wants_json
from shop.web.house import end_reading, house

bp = Blueprint("admin", __name__, url_prefix="/admin")

# However busy somebody is, a login ends after a working day.
LOGIN_LIFE = 12 * 3600
View = TypeVar("View", bound=Callable[..., Any])


def needs(permission: str) -> Callable[[View], View]:
    """Name the permission of `shop.staff.permissions` that a view asks for."""
    if permission not in permissions.PERMISSIONS:
        raise KeyError(permission)

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        return view

    return mark


def permission_of(endpoint: str) -> str | None:
    """The permission that an endpoint's view names."""
    return getattr(current_app.view_functions[endpoint], "permission", None)


def may(permission: str) -> bool:
    """Whether the member of staff who is logged in has the permission."""
    return permissions.may([role.name for role in current_user.roles], permission)


def actor() -> str:
    """Who is logged in, as the audit trail and the ledger name them."""
    return str(current_user.email)


@contextmanager
def writing() -> Iterator[Session]:
    """One transaction that writes, with the page's reading transaction closed before it."""
    end_reading()
    with house().database.transaction() as work:
        yield work


@bp.before_request
def _ask() -> AnyResponse | None:
    if not _is_logged_in():
        if wants_json():
            abort(401)
        following = request.full_path.rstrip("?") if request.method == "GET" else url_for("admin.home")
        return redirect(url_for("security.login", next=following), 303)
    assert request.endpoint is not None
    g.member = actor()
    permission = permission_of(request.endpoint)
    if permission is None or not may(permission):
        abort(403)
    return None


def _is_logged_in() -> bool:
    if not current_user.is_authenticated:
        return False
    if time.time() - session.get("fs_paa", 0) > LOGIN_LIFE:
        logout_user()
        return False
    return True


@bp.after_request
def _keep_private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@bp.context_processor
def _offer() -> dict[str, Any]:
    # Only somebody whom the gate has seen: an error page must not ask the database who is there.
    return {"may": may, "member": g.get("member")}
