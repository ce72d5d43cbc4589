"""One local Stripe account: its memory, its clock, its deliveries and its faults."""

from shop.sandbox import due
from shop.sandbox.delivery import Deliveries
from shop.sandbox.faults import Faults
from shop.sandbox.settings import SandboxSettings
from shop.sandbox.store import Store


class Account:
    """What the API, the payment page and the controls share."""

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings
        self.store = Store(settings.database, settings.seed)
        self.faults = Faults(self.store, settings.hang_seconds)
        self.deliveries = Deliveries(self.store, settings, self.expire_due)

    def expire_due(self) -> None:
        """Ends the sessions, refunds and disputes whose time has come."""
        with self.store.transaction() as tx:
            due.pass_by(tx)

    def start(self) -> None:
        self.deliveries.start()

    def close(self) -> None:
        """Ends the threads, then the store. What is still owed is delivered after the next start."""
        self.faults.stop()
        self.deliveries.stop()
        self.store.close()
