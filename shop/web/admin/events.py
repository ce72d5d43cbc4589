"""Stripe's inbox: what came, what became of it, and applying again what could not be applied."""

import re

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shop.checkout.replay import replay, replay_failed
from shop.errors import NotFound
from shop.orders.reading import numbers_of
from shop.payments.inbox import count_events, find_event, list_events
from shop.web.admin.asked import one_of
from shop.web.admin.gate import actor, bp, needs
from shop.web.house import end_reading, house, reading

# Each asks Stripe, while somebody waits for the page; the shop tries the others by itself.
AT_ONCE = 25
STATES = {
    "failed": "Failed",
    "waiting": "Waiting",
    "applied": "Applied",
    "ignored": "Ignored",
}


@bp.context_processor
def _names() -> dict[str, object]:
    return {"event_names": STATES}


@bp.get("/events")
@needs("events.see")
def events() -> str:
    session = reading()
    state = one_of("state", frozenset(STATES))
    page = list_events(session, state or None, request.args.get("after"))
    return render_template(
        "admin/events.html",
        state=state,
        states=STATES,
        counts=count_events(session),
        page=page,
        numbers=numbers_of(session, {event.order_id for event in page.events if event.order_id}),
    )


@bp.post("/events/<stripe_id>/replays")
@needs("events.replay")
def replay_event(stripe_id: str) -> Response:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,255}", stripe_id) or find_event(reading(), stripe_id) is None:
        raise NotFound("event")
    end_reading()
    verdict = replay(house().database, house().gateway, stripe_id, actor=actor())
    words = f"{STATES.get(verdict.state, verdict.state)}{': ' if verdict.reason else '.'}{verdict.reason}"
    flash(words, {"applied": "good", "failed": "bad"}.get(verdict.state, "note"))
    return redirect(_back(), 303)


@bp.post("/events/replays")
@needs("events.replay")
def replay_all() -> Response:
    end_reading()
    done = replay_failed(house().database, house().gateway, actor=actor(), limit=AT_ONCE)
    left = done.waiting + done.failed
    flash(f"{done.applied} applied, {done.ignored} ignored, {left} left for later.", "note" if left else "good")
    return redirect(_back(), 303)


def _back() -> str:
    state = request.form.get("state", "")
    return url_for("admin.events", state=state if state in STATES else None)
