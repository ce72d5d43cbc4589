"""The door of Stripe."""

import structlog
from flask import Blueprint, Flask, Response, jsonify, request

from shop.checkout.events import apply_event
from shop.errors import BadSignature
from shop.payments.receiving import receive
from shop.payments.signature import MAX_BODY, verify
from shop.web.csrf import csrf
from shop.web.errors import problem
from shop.web.house import house

log = structlog.get_logger(__name__)

bp = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@bp.post("/stripe")
def stripe_event() -> Response:
    """200 once the event is stored and applied (or was before); 400 for what is not Stripe's; 500 makes Stripe retry."""
    here = house()
    request.max_content_length = MAX_BODY
    # Raw bytes: a body that was parsed and written again no longer matches its signature.
    body = request.get_data(cache=False)
    try:
        event = verify(body, request.headers.get("Stripe-Signature", ""), here.settings.webhook_secrets)
    except BadSignature as refusal:
        log.warning("webhook_refused", reason=refusal.reason)
        return problem(400, refusal.code, str(refusal))
    verdict = receive(here.database, event, apply_event)
    return jsonify({"received": True, "state": verdict.state})


def register(app: Flask) -> None:
    """Add the address that Stripe posts to. Its signature is its protection, so it carries no CSRF token."""
    csrf.exempt(bp)
    app.register_blueprint(bp)
