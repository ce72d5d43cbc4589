"""What a test or a demo may do to the local Stripe: pay as a buyer, move the clock, lose an answer, hold the mail.

In this process through `Control`; from another one by `POST /_control/<name>` with the same arguments as JSON.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from shop.sandbox import balance, disputes, events, faults, lists, owed, payments, refunds, rulings, sessions
from shop.sandbox.account import Account
from shop.sandbox.cards import Decline, Means, recognised
from shop.sandbox.offered import APPS
from shop.sandbox.payments import Address, Buyer, Outcome
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.sessions import NotOpen
from shop.sandbox.strangers import sent_by_another_page
from shop.sandbox.testbuyer import test_buyer

bp = Blueprint("control", __name__, url_prefix="/_control")


class Control:
    """The controls of one account. Each method's answer can be written as JSON."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def pay(
        self,
        session_id: str,
        card: str = "4242424242424242",
        *,
        email: str = "reader@example.com",
        name: str = "Ada Reader",
        country: str = "SG",
        shipping: int = 0,
        method: str = "card",
        authenticate: bool = True,
        **address: str,
    ) -> Body:
        """Does what a buyer does on the page: `card` with the `shipping`-th option; `method` may be `paynow`, `grabpay`
        or `delayed_debit`.

        A card that asks for 3-D Secure is answered with `authenticate`, and so are PayNow's code and GrabPay's page.
        Returns the session as it is afterwards.
        Raises Refusal for an unknown session, for one that is not open, and for a decline (402, with its code).
        """
        known = {name: value for name, value in (test_buyer(country) | address).items() if name in _ADDRESS}
        if method not in ("card", "delayed_debit", *APPS):
            raise ValueError(f"method must be card, delayed_debit, {' or '.join(APPS)}, not {method!r}")
        means = Means(recognised(card)) if method == "card" else Means(app=method if method in APPS else "")
        try:
            with self._account.store.transaction() as tx:
                options = tx.get(sessions.KIND, session_id, "session")["shipping_options"]
                rate = options[shipping]["shipping_rate"] if options else None
                buyer = Buyer(email, name, Address(**known), rate)
                outcome = payments.pay(tx, session_id, buyer, means)
                if outcome is Outcome.ELSEWHERE:
                    outcome = payments.answer(tx, session_id, passed=authenticate)
                session = tx.get(sessions.KIND, session_id)
        except NotOpen as ended:
            raise Refusal(f"This Checkout Session is {ended.session['status']}.", param="session") from None
        finally:
            self._account.deliveries.wake()
        if isinstance(outcome, Decline):
            raise Refusal(outcome.message, status=402, kind="card_error", code=outcome.decline_code or outcome.code)
        return session

    def decline(self, session_id: str, card: str = "4000000000000002", **buyer: Any) -> str:
        """Tries to pay with a card that is declined; returns the decline's code. Raises ValueError if it pays."""
        try:
            self.pay(session_id, card, **buyer)
        except Refusal as refusal:
            if refusal.status != 402:
                raise
            return str(refusal.code)
        raise ValueError(f"the card ending in {card[-4:]} was not declined")

    def settle_delayed(self, session_id: str, *, ok: bool = True) -> Body:
        """The bank's answer to a delayed debit. Raises Refusal unless one is awaited."""
        with self._account.store.transaction() as tx:
            session = payments.settle_delayed(tx, session_id, ok=ok)
        self._account.deliveries.wake()
        return session

    def dispute(
        self, session_id: str, reason: str = "fraudulent", amount: int | None = None, status: str = "needs_response"
    ) -> Body:
        """The buyer's bank disputes the payment of a session: `amount` minor units of it, or all that is left.

        `status` may be `warning_needs_response`, an inquiry, or `prevented`. Raises Refusal for a payment that cannot
        be disputed.
        """
        with self._account.store.transaction() as tx:
            intent = tx.get("payment_intent", tx.get(sessions.KIND, session_id, "session")["payment_intent"] or "")
            made = disputes.begin(tx, tx.get("charge", intent["latest_charge"] or ""), reason, amount, status)
        self._account.deliveries.wake()
        return made

    def settle_dispute(self, dispute_id: str, *, won: bool, may_appeal: bool = False) -> Body:
        """The bank decides a dispute; `may_appeal` leaves a lost one open for the shop's appeal. An inquiry is closed
        when `won`, and else becomes a dispute. Raises Refusal for one that has ended."""
        with self._account.store.transaction() as tx:
            decided = rulings.settle(tx, dispute_id, won=won, may_appeal=may_appeal)
        self._account.deliveries.wake()
        return decided

    def settle_refund(self, refund_id: str, *, ok: bool = True) -> Body:
        """A refund that takes time arrives, or fails; one that had succeeded may fail, too. Raises Refusal for one
        that has ended."""
        with self._account.store.transaction() as tx:
            settled = refunds.settle(tx, refund_id, ok=ok)
        self._account.deliveries.wake()
        return settled

    def charges(self) -> list[Body]:
        """Newest first, a hundred at most."""
        return self._newest("charge")

    def refunds(self) -> list[Body]:
        """Newest first, a hundred at most."""
        return self._newest(refunds.KIND)

    def disputes(self) -> list[Body]:
        """Newest first, a hundred at most."""
        return self._newest(disputes.KIND)

    def balance(self) -> dict[str, Body]:
        """Of each currency the sums of all balance transactions: amount, fee and net, in minor units."""
        with self._account.store.transaction() as tx:
            return balance.sums(tx)

    def expire(self, session_id: str) -> Body:
        """Ends an open session, as time would. Raises Refusal for one that is not open."""
        with self._account.store.transaction() as tx:
            session = sessions.expire(tx, session_id)
        self._account.deliveries.wake()
        return session

    def session(self, session_id: str) -> Body:
        with self._account.store.transaction() as tx:
            return tx.get(sessions.KIND, session_id, "session")

    def sessions(self) -> list[Body]:
        """Newest first, a hundred at most."""
        return self._newest(sessions.KIND)

    def _newest(self, kind: str) -> list[Body]:
        with self._account.store.transaction() as tx:
            return lists.of_kind(tx, kind, {"limit": 100}, "").items

    def advance(self, seconds: float) -> None:
        """Lets time pass for what falls due: sessions expire, deliveries are tried again, old keys are forgotten.

        `created` and signatures go on by the wall clock, for the shop compares them with its own. Raises ValueError
        for a time that is no number, which would stop the clock for good.
        """
        if not math.isfinite(seconds):
            raise ValueError(f"seconds must be a number, not {seconds}")
        self._account.store.advance(seconds)
        self._account.expire_due()
        self._account.deliveries.wake()

    def events(self, type: str | None = None) -> list[Body]:  # noqa: A002
        """Every event, oldest first; of one `type` if given."""
        with self._account.store.transaction() as tx:
            rows = tx.rows("SELECT id FROM objects WHERE object = 'event' ORDER BY seq")
            found = [events.as_sent_now(tx, tx.get("event", key)) for (key,) in rows]
        return [event for event in found if type is None or event["type"] == type]

    def deliveries(self, event_id: str | None = None) -> list[Body]:
        """Every delivery, oldest first, with its state and its attempts."""
        with self._account.store.transaction() as tx:
            return owed.listed(tx, event_id)

    def dropped(self) -> list[Body]:
        """The deliveries that a fault has lost for good, oldest first."""
        return [delivery for delivery in self.deliveries() if delivery["fault"] == "drop"]

    def resend(self, event_id: str) -> None:
        """Owes one more delivery of an event, whatever became of the others."""
        with self._account.store.transaction() as tx:
            owed.owe(tx, tx.get("event", event_id), faulty=False)
        self._account.deliveries.wake()

    def hold_deliveries(self) -> None:
        """Nothing is delivered until `release_deliveries`, except by `deliver_now`."""
        self._account.deliveries.hold()

    def release_deliveries(self) -> None:
        self._account.deliveries.release()

    def deliver_now(self) -> int:
        """Attempts each owed delivery once, oldest first, and returns how many when all have been answered."""
        return self._account.deliveries.deliver_now()

    def fail_next(self, n: int = 1, kind: str = "500", method: str = "*", path: str = "*") -> None:
        """The next `n` API calls go wrong; the kinds are those of `faults.KINDS`. With `method` and `path` the next of
        those alone: `POST` and `/v1/refunds`, or `/v1/checkout/sessions/*/expire`."""
        with self._account.store.transaction() as tx:
            faults.plan(tx, faults.CALL, kind, n, f"{method} {path}")

    def fault_deliveries(self, kind: str, n: int = 1, type: str = "*") -> None:  # noqa: A002
        """The next `n` deliveries go wrong, or the next of events of a `type` such as `charge.*`; the kinds are those of
        `faults.DELIVERY_KINDS`."""
        with self._account.store.transaction() as tx:
            faults.plan(tx, faults.DELIVERY, kind, n, type)

    def chaos(self, seed: int, rates: dict[str, float] | None = None) -> None:
        """Until `calm` faults are drawn under a seed for calls and deliveries: `rates` says of each kind how large a
        share; `faults.MILD` unless given."""
        with self._account.store.transaction() as tx:
            faults.chaos(tx, seed, faults.MILD if rates is None else rates)

    def calm(self) -> int:
        """Ends chaos and every planned fault, lets go what hangs or is held, and delivers all that is owed, rightly.

        What was dropped stays lost. Returns how many attempts it took.
        """
        with self._account.store.transaction() as tx:
            faults.clear(tx)
            owed.forgive(tx)
        self._account.faults.release()
        self._account.deliveries.release()
        return self._account.deliveries.deliver_all()

    def faults(self) -> Body:
        """What is planned, and the chaos that is on."""
        with self._account.store.transaction() as tx:
            return faults.expected(tx)

    def waiting_calls(self) -> int:
        """How many API calls hang at this moment."""
        return self._account.faults.waiting

    def release_calls(self) -> None:
        """Lets every API call go on that hangs now."""
        self._account.faults.release()

    def clear_faults(self) -> None:
        """Forgets what is planned, ends chaos, and lets every call go on that hangs."""
        with self._account.store.transaction() as tx:
            faults.clear(tx)
        self._account.faults.release()

    def set_webhook(self, url: str, secret: str) -> None:
        """Where events go from now on; an empty `url` for nowhere. Raises ValueError for an address that is none."""
        self._account.deliveries.set_endpoint(url, secret)
        self._account.deliveries.wake()

    def roll_secret(self, new: str, *, keep_old: bool = True) -> None:
        """The endpoint gets a new secret. While the old one is kept, both sign, as at Stripe for a day at most.

        Raises ValueError for an empty secret.
        """
        endpoint = self._account.deliveries.endpoint
        self._account.deliveries.set_endpoint(endpoint.url, new, *(endpoint.secrets[:1] if keep_old else ()))


_ADDRESS = ("country", "line1", "line2", "city", "state", "postal_code")
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
    account: Account = current_app.extensions["sandbox"]
    act: Callable[..., Any] = getattr(Control(account), name)
    try:
        inspect.signature(act).bind(**given)
        return jsonify(act(**given)), 200
    except Refusal as refusal:
        return jsonify(refusal.body()), refusal.status
    except (TypeError, ValueError, IndexError) as mistake:
        return _refused(str(mistake), 400)


def _refused(message: str, status: int) -> tuple[Response, int]:
    return jsonify(Refusal(message).body()), status
