"""What a test or a demo may do to the local Stripe: pay as a buyer, move the clock, lose an answer, hold the mail.

In this process through `Control`; from another one through the door (`door`).
"""

import math

from shop.sandbox import balance, disputes, events, faults, lists, owed, refunds, sessions
from shop.sandbox.acting import Acting
from shop.sandbox.refusals import Body


class Control(Acting):
    """The controls of one account. Each method's answer can be written as JSON."""

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
            return owed.listed(tx, None if event_id is None else [event_id])

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
