"""Webhook endpoints that a shop registers itself, and events sent once more."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe

from shop.sandbox.endpoints import MOST
from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import KEY, SECRET, Receiver
from tests.support.serving import eventually, serving

Register = Callable[..., stripe.WebhookEndpoint]


@pytest.fixture
def register(api: stripe.StripeClient, receiver: Receiver) -> Register:
    """Registers the receiver's address, which then checks what comes with the secret that it was told."""

    def make(*enabled_events: str, **params: Any) -> stripe.WebhookEndpoint:
        given: Any = {"url": receiver.url, "enabled_events": list(enabled_events or ["*"]), **params}
        endpoint = api.v1.webhook_endpoints.create(params=given)
        assert endpoint.secret
        receiver.secret = endpoint.secret
        return endpoint

    return make


def a_product(api: stripe.StripeClient) -> stripe.Product:
    return api.v1.products.create(params={"name": "Shirt"})


def test_a_registered_endpoint_is_told_signed_with_its_own_secret(
    api: stripe.StripeClient, receiver: Receiver, register: Register
) -> None:
    endpoint = register(metadata={"shop": "1"}, description="Orders")
    assert (endpoint.status, endpoint.enabled_events, endpoint.description) == ("enabled", ["*"], "Orders")
    product = a_product(api)
    receiver.wait_for("product.created")
    told: Any = receiver.events[0].data.object
    assert told.id == product.id
    assert receiver.events[0].pending_webhooks == 1
    assert api.v1.webhook_endpoints.retrieve(endpoint.id).secret is None, "a secret is told once"


def test_an_endpoint_is_told_of_what_it_asked_for(
    api: stripe.StripeClient, local: RunningSandbox, receiver: Receiver, register: Register
) -> None:
    endpoint = register("product.updated")
    product = a_product(api)
    api.v1.products.update(product.id, params={"name": "Tee"})
    receiver.wait_for("product.updated")
    assert receiver.types() == ["product.updated"]
    api.v1.webhook_endpoints.update(endpoint.id, params={"enabled_events": ["product.created"]})
    a_product(api)
    receiver.wait_for("product.created")
    assert [len(local.control.deliveries(event["id"])) for event in local.control.events()] == [0, 1, 1]


def test_the_configured_endpoint_and_the_registered_ones_are_all_told(
    api: stripe.StripeClient, local: RunningSandbox, receiver: Receiver, register: Register
) -> None:
    configured = Receiver()
    with serving(configured) as served:
        local.control.set_webhook(f"{served.url}/webhooks/stripe", SECRET)
        register()
        a_product(api)
        for one in (receiver, configured):
            one.wait_for("product.created")
        local.control.hold_deliveries()
        assert receiver.types() == configured.types() == ["product.created"]


def test_an_endpoint_that_is_disabled_or_gone_is_owed_nothing(
    api: stripe.StripeClient, local: RunningSandbox, receiver: Receiver, register: Register
) -> None:
    endpoint = register()
    local.control.hold_deliveries()
    a_product(api)
    assert api.v1.webhook_endpoints.update(endpoint.id, params={"disabled": True}).status == "disabled"
    a_product(api)
    api.v1.webhook_endpoints.update(endpoint.id, params={"disabled": False})
    a_product(api)
    gone = api.v1.webhook_endpoints.delete(endpoint.id)
    assert (gone.id, gone.deleted) == (endpoint.id, True)
    a_product(api)
    states = [[owed["state"] for owed in local.control.deliveries(event["id"])] for event in local.control.events()]
    assert states == [["given_up"], [], ["given_up"], []]
    assert local.control.deliver_now() == 0
    assert receiver.types() == []
    with pytest.raises(stripe.InvalidRequestError, match=f"No such webhook_endpoint: '{endpoint.id}'"):
        api.v1.webhook_endpoints.retrieve(endpoint.id)


def test_endpoints_are_listed_and_there_are_not_too_many(api: stripe.StripeClient, register: Register) -> None:
    made = [register().id for _ in range(MOST)]
    assert [endpoint.id for endpoint in api.v1.webhook_endpoints.list(params={"limit": 100}).data] == made[::-1]
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16 test webhook endpoints"):
        register()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"url": "nowhere"}, "An explicit scheme"),
        ({"enabled_events": ["order.paid"]}, r"Invalid enabled_events\[0\]: must be one of"),
        ({"connect": True}, "does not play `connect`"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(register: Register, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=message):
        register(**wrong)


def retry(local: RunningSandbox, event: str, **form: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{local.url}/v1/events/{event}/retry"
    return requests.post(url, data={"for_stripecli": "true", **form}, headers=headers, timeout=10)


def test_an_event_is_sent_once_more_as_the_command_line_asks(
    api: stripe.StripeClient, local: RunningSandbox, receiver: Receiver, register: Register
) -> None:
    endpoint = register()
    a_product(api)
    receiver.wait_for("product.created")
    (event,) = local.control.events()
    assert retry(local, event["id"]).json()["id"] == event["id"]
    assert retry(local, event["id"], webhook_endpoint=endpoint.id).status_code == 200
    receiver.wait_for_count(3)
    assert {told.id for told in receiver.events} == {event["id"]}
    eventually(lambda: api.v1.events.retrieve(event["id"]).pending_webhooks == 0)


def test_an_event_or_endpoint_of_nobody_is_not_sent(
    api: stripe.StripeClient, local: RunningSandbox, register: Register
) -> None:
    register()
    a_product(api)
    (event,) = local.control.events()
    assert retry(local, "evt_x").json()["error"]["message"] == "No such event: 'evt_x'"
    wrong = retry(local, event["id"], webhook_endpoint="we_x")
    assert wrong.json()["error"]["message"] == "No such webhook_endpoint: 'we_x'"
