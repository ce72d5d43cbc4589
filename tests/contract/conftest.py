"""The local Stripe, spoken to as a shop would: by the unmodified SDK, over HTTP."""

import copy
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import stripe
from stripe.checkout import Session
from werkzeug.wrappers import Request, Response

from shop.sandbox.server import RunningSandbox, running
from tests.support.serving import serving

KEY = "sk_test_" + "k" * 24
SECRET = "whsec_" + "s" * 32

Params = dict[str, Any]


@pytest.fixture(autouse=True)
def _no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "enable_telemetry", False)


def client_of(url: str, key: str = KEY, **options: Any) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": url}, **options)


def a_checkout(**changes: Any) -> Params:
    """The parameters of a checkout of one shirt for S$49.00; `changes` replace single ones, None takes one away."""
    params: Params = {
        "mode": "payment",
        "success_url": "http://127.0.0.1:9/return?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:9/cart",
        "line_items": [a_line()],
        "metadata": {"order": "U-7K2M"},
    }
    params |= copy.deepcopy(changes)
    return {name: value for name, value in params.items() if value is not None}


def a_line(amount: int = 4900, currency: str = "sgd", quantity: int = 1, name: str = "Trump-Kim T-shirt") -> Params:
    return {
        "quantity": quantity,
        "price_data": {"currency": currency, "unit_amount": amount, "product_data": {"name": name}},
    }


def a_shipping_option(amount: int = 500, currency: str = "sgd", name: str = "SingPost") -> Params:
    fixed = {"amount": amount, "currency": currency}
    return {"shipping_rate_data": {"display_name": name, "type": "fixed_amount", "fixed_amount": fixed}}


SHIPPED: Params = {
    "shipping_address_collection": {"allowed_countries": ["SG", "US"]},
    "shipping_options": [a_shipping_option(), a_shipping_option(1500, name="Courier")],
}


@dataclass
class Receiver:
    """A shop's webhook door over real HTTP: what came, checked by the SDK, and what it answers."""

    url: str = ""
    secret: str = SECRET
    answers: list[int] = field(default_factory=list)
    """Statuses for the next deliveries; 200 once they are used up."""
    events: list[stripe.Event] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        body = request.get_data()
        event = stripe.Webhook.construct_event(body, request.headers["Stripe-Signature"], self.secret)  # type: ignore[no-untyped-call]
        with self.changed:
            status = self.answers.pop(0) if self.answers else 200
            self.events.append(event)
            self.headers.append(request.headers)
            self.arrived.append(time.monotonic())
            self.changed.notify_all()
        return Response(status=status)(environ, start_response)

    def types(self) -> list[str]:
        with self.changed:
            return [event.type for event in self.events]

    def wait_for(self, *types: str) -> None:
        """Returns once each of `types` has come; fails after ten seconds."""
        with self.changed:
            came = self.changed.wait_for(lambda: set(types) <= {event.type for event in self.events}, timeout=10)
        assert came, f"waited for {types}, got {self.types()}"

    def wait_for_count(self, count: int) -> None:
        with self.changed:
            came = self.changed.wait_for(lambda: len(self.events) >= count, timeout=10)
        assert came, f"waited for {count} deliveries, got {self.types()}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with serving(receiver) as served:
        receiver.url = f"{served.url}/webhooks/stripe"
        yield receiver


@pytest.fixture
def local() -> Iterator[RunningSandbox]:
    """A local Stripe without a webhook endpoint."""
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def api(local: RunningSandbox) -> stripe.StripeClient:
    return client_of(local.url)


@pytest.fixture
def checkout(api: stripe.StripeClient) -> Callable[..., Session]:
    """Creates a session with the parameters of `a_checkout`."""

    def create(**changes: Any) -> Session:
        return api.v1.checkout.sessions.create(params=a_checkout(**changes))  # type: ignore[arg-type]

    return create
