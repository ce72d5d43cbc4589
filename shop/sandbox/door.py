"""The door to the controls for other processes: `POST /_control/<name>`, with the arguments as a JSON object."""

import inspect
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from shop.sandbox.control import Control
from shop.sandbox.look import account
from shop.sandbox.refusals import Refusal
from shop.sandbox.strangers import sent_by_another_page

bp = Blueprint("control", __name__, url_prefix="/_control")
_NAMES = {name for name, _ in inspect.getmembers(Control, inspect.isfunction) if not name.startswith("_")}


@bp.route("/<name>", methods=["POST"])
def carry_out(name: str) -> tuple[Response, int]:
    if sent_by_another_page(request):
        return _refused("The controls do not answer pages of other origins.", 403)
    if name not in _NAMES:
        return _refused(f"There is no control {name}; there are {', '.join(sorted(_NAMES))}.", 404)
    # Only JSON: a page of another origin cannot send it without asking first, and is not answered then.
    if not request.is_json:
        return _refused("Send the arguments as JSON.", 415)
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        return _refused("Send the arguments as a JSON object.", 400)
    act: Callable[..., Any] = getattr(Control(account()), name)
    try:
        inspect.signature(act).bind(**given)
        return jsonify(act(**given)), 200
    except Refusal as refusal:
        return jsonify(refusal.body()), refusal.status
    except (TypeError, ValueError, IndexError) as mistake:
        return _refused(str(mistake), 400)


def _refused(message: str, status: int) -> tuple[Response, int]:
    return jsonify(Refusal(message).body()), status
