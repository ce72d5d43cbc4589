"""What people do whom neither the shop nor its code can speak for: the buyer, and the banks on both sides."""

from typing import Any

from shop.sandbox import disputes, payments, refunds, rulings, sessions
from shop.sandbox.account import Account
from shop.sandbox.cards import Decline, Means, recognised
from shop.sandbox.offered import APPS
from shop.sandbox.payments import Address, Buyer, Outcome
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.sessions import NotOpen
from shop.sandbox.testbuyer import test_buyer

_ADDRESS = ("country", "line1", "line2", "city", "state", "postal_code")


class Acting:
    """The controls that act for a buyer or a bank; each returns what it acted on, as it is afterwards."""

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
