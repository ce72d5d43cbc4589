"""A whole journey through real processes at the chattiest level: what they log, what goes to Stripe, and what is kept of
Stripe's events holds no secret, no card and nothing about the buyer.
"""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import sqlalchemy as sa
import stripe

from shop.db import Database
from shop.mail.models import OutboxMessage
from shop.orders.models import Order
from shop.payments.models import StripeEvent
from tests.builders import a_product, shipping_to
from tests.support.commands import KEYS, Running, environment, free_ports, run, running
from tests.support.letters import MailServer, a_mail_server
from tests.support.payment_page import Buyer
from tests.support.reader import OverHttp, Reader
from tests.support.serving import eventually
from tests.support.staff import PASSWORD, Staff, an_account
from tests.support.wiretap import Wire, a_wire_to

KEY, WEBHOOK_SECRET = KEYS["STRIPE_SECRET_KEY"], KEYS["STRIPE_WEBHOOK_SECRET"]
DECLINED, DISPUTED, PAYS = "4000 0000 0000 0002", "4000 0000 0000 0259", "4242 4242 4242 4242"
BUYER = {
    "email": "quentin.quagga@example.com",
    "name": "Quentin Quagga",
    "country": "SG",
    "line1": "77 Quokka Quay",
    "line2": "Unit Quince",
    "city": "Quebradilla",
    "postal_code": "987654",
    "method": "card",
    "exp": "12 / 34",
    "cvc": "737",
}
DESK = "quilla.desk@example.com"
# Every way in which the same thing may be written.
CARDS = [
    form
    for number in (DECLINED, DISPUTED, PAYS)
    for form in (number, number.replace(" ", ""), number.replace(" ", "+"))
]
PERSON = ["Quagga", "Quentin", "Quokka", "Quince", "Quebradilla", "987654", "quentin.quagga"]


@dataclass
class Journey:
    """What the journey left behind: `logs` by process, `handles` of carts and sessions, and the orders' `tokens`."""

    wire: Wire
    mail: MailServer
    database: Database
    logs: dict[str, str] = field(default_factory=dict)
    handles: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)

    def secrets(self) -> list[str]:
        return [KEY, WEBHOOK_SECRET, *CARDS, *PERSON, *self.handles, DESK, PASSWORD]


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Journey]:
    folder = tmp_path_factory.mktemp("journey")
    (folder / "var").mkdir()
    (folder / "var" / "shop.db").write_bytes(sqlite_template.read_bytes())
    database = Database.connect(f"sqlite:///{folder / 'var' / 'shop.db'}")
    with database.transaction() as session:
        a_product(session, "mug", title="Mug", stock=9)
        shipping_to(session, "SG")
    an_account(database, email=DESK)
    shop_port, stripe_port = free_ports(2)
    with a_mail_server() as mail, a_wire_to(f"http://127.0.0.1:{stripe_port}") as wire:
        settings = {
            "SHOP_DATA": folder / "var",
            "SHOP_PORT": shop_port,
            "SHOP_URL": f"http://127.0.0.1:{shop_port}",
            "SANDBOX_PORT": stripe_port,
            "STRIPE_API_BASE": wire.url,
            "SHOP_MAIL_URL": mail.url,
            "SHOP_WORKERS": 1,
            "SHOP_LOG_LEVEL": "debug",
            "SHOP_LOG_FORMAT": "json",
        }
        journey = Journey(wire, mail, database)
        travel(journey, settings, folder)
        yield journey
    database.close()


def travel(journey: Journey, settings: dict[str, object], folder: Path) -> None:
    env = environment(**KEYS | settings)
    url, stripe_url = str(settings["SHOP_URL"]), f"http://127.0.0.1:{settings['SANDBOX_PORT']}"
    with ExitStack() as stack:

        def start(name: str) -> Running:
            return stack.enter_context(running(name, env=env, log=folder / f"{name}.log"))

        sandbox, serve, worker = start("sandbox"), start("serve"), start("worker")
        serve.answers(f"{url}/readyz")
        worker.says("worker started")
        # A mail server likes to repeat the address that it refuses.
        journey.mail.to_recipient.append(f"550 <{BUYER['email']}>: Quentin Quagga lives at 77 Quokka Quay no more")
        browser = OverHttp(url)
        reader = Reader(browser)  # type: ignore[arg-type]
        session_id = buy(journey, reader, stripe_url, DECLINED, DISPUTED)
        buy(journey, reader, stripe_url, PAYS)
        wander(reader, browser, journey)
        deliver_rubbish(url, session_id)
        work_at_the_desk(url, journey)
        give_back_at_stripe(stripe_url, journey)
        eventually(lambda: states(journey) >= {"sent", "failed"} and {"refunded"} <= kinds_sent(journey), 60)
        sandbox.stop()
        assert reader.add("mug").status == 303
        assert reader.pay().status == 503
        for word in ("sweep", "reconcile"):
            ran = run(word, env=env)
            journey.logs[word] = ran.out + ran.err
        serve.stop(signal.SIGTERM)
        worker.stop(signal.SIGTERM)
        journey.handles |= {cookie.value for cookie in browser.session.cookies if cookie.value}
    for name in ("sandbox", "serve", "worker"):
        journey.logs[name] = (folder / f"{name}.log").read_text("utf-8")


def buy(journey: Journey, reader: Reader, stripe_url: str, *cards: str) -> str:
    """All cards but the last one are declined. Returns the id of the session."""
    page = reader.get("/products/mug", story="https://news.example/kim", title="Kim in demand")
    assert reader.send(page, "/cart/lines", then="cart", quantity="2").status == 303
    sent_to = reader.pay().location
    assert sent_to.startswith(stripe_url)
    buyer = Buyer(sent_to)
    for declined in cards[:-1]:
        assert "declined" in buyer.send(**BUYER, number=declined).text
    paid = buyer.send(**BUYER, number=cards[-1])
    assert paid.status_code in {302, 303}, paid.text
    back = urlsplit(paid.headers["Location"]).path
    token = back.split("/")[2]
    journey.tokens.add(token)
    reader.follow(reader.get(back))
    eventually(lambda: "We pack it now" in reader.get(f"/orders/{token}").words, 60)
    found = re.search(r"cs_test_\w+", sent_to)
    assert found
    return found[0]


def wander(reader: Reader, browser: OverHttp, journey: Journey) -> None:
    """Addresses that hold what no log should."""
    token = min(journey.tokens)
    for path in (
        f"/orders/{token}/nothing",
        f"/orders/{token}/again",
        f"/orders/{token[:-1]}x",
        f"/products/{BUYER['email']}",
        f"/?email={BUYER['email']}&card={DISPUTED}&key={KEY}",
        f"/nothing/{KEY}/{WEBHOOK_SECRET}",
    ):
        assert reader.get(path).status in {200, 303, 404}
    assert browser.post(f"/orders/{token}", {"name": BUYER["name"]}).status_code in {400, 405}
    with requests.Session() as stranger:
        stranger.cookies.set("cart", token)
        stranger.get(f"{browser.url}/cart", headers={"User-Agent": KEY, "Referer": f"{browser.url}/orders/{token}"})


def deliver_rubbish(url: str, session_id: str) -> None:
    """Webhooks that are forged, stale, broken, not the shop's, or not what the order says; with a buyer in each of them."""
    details = {"email": BUYER["email"], "name": BUYER["name"], "address": {"line1": BUYER["line1"]}}
    thing = {
        "id": session_id,
        "object": "checkout.session",
        "status": "complete",
        "customer_details": details,
        "client_secret": f"{session_id}_secret_{WEBHOOK_SECRET}",
    }
    for number, changed in enumerate(
        (
            thing,
            {**thing, "id": "cs_test_of_nobody", "shipping_details": details, "customer_email": BUYER["email"]},
            {**thing, "amount_total": "a lot", "collected_information": {"shipping_details": details}},
            {"id": "thing", "object": "thing", "billing_details": details},
        )
    ):
        event = {
            "id": f"evt_rubbish_{number}",
            "object": "event",
            "type": "checkout.session.completed",
            "api_version": stripe.api_version,
            "created": 1_800_000_000,
            "livemode": False,
            "data": {"object": changed},
        }
        body = json.dumps(event)
        right = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        for signature in (right, f"t=1,v1={WEBHOOK_SECRET}", ""):
            requests.post(
                f"{url}/webhooks/stripe", data=body.encode(), headers={"Stripe-Signature": signature}, timeout=60
            )
    requests.post(f"{url}/webhooks/stripe", data=f"{BUYER} {KEY}".encode(), timeout=60)


def work_at_the_desk(url: str, journey: Journey) -> None:
    """A wrong password, the right one, and a look at the order with everything that there is about its buyer."""
    desk = Staff(OverHttp(url))  # type: ignore[arg-type]
    assert desk.log_in(DESK, "not " + PASSWORD).status_code == 422
    assert desk.log_in(DESK).status_code in {302, 303}
    with journey.database.reading() as session:
        number = session.scalars(sa.select(Order.number).order_by(Order.id)).first()
    assert BUYER["line1"] in desk.get(f"/admin/orders/{number}").text
    desk.get("/admin/orders", search=BUYER["email"])
    session_cookies = desk.client.session.cookies  # type: ignore[attr-defined]
    journey.handles |= {cookie.value for cookie in session_cookies if cookie.value and len(cookie.value) > 8}


def give_back_at_stripe(stripe_url: str, journey: Journey) -> None:
    """Part of the second order's money goes back from Stripe's dashboard."""
    with journey.database.reading() as session:
        intent = session.scalars(sa.select(Order.payment_intent).order_by(Order.id.desc())).first()
    answer = requests.post(
        f"{stripe_url}/v1/refunds", data={"payment_intent": intent, "amount": "700"}, auth=(KEY, ""), timeout=60
    )
    assert answer.status_code == 200, answer.text


def states(journey: Journey) -> set[str]:
    with journey.database.reading() as session:
        return set(session.scalars(sa.select(OutboxMessage.state)))


def kinds_sent(journey: Journey) -> set[str]:
    with journey.database.reading() as session:
        return set(session.scalars(sa.select(OutboxMessage.kind).where(OutboxMessage.state == "sent")))


def found_in(text: str, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if secret in text]


def test_the_journey_went_everywhere(journey: Journey) -> None:
    """The control: what the other tests look through is there."""
    for words in ("event_failed", "message given up", "webhook_refused"):
        assert words in journey.logs["serve"] + journey.logs["worker"] + journey.logs["sweep"], words
    assert any("line_items" in sent for sent in journey.wire.sent)
    assert journey.wire.keys == {f"Bearer {KEY}"}
    with journey.database.reading() as session:
        types = set(session.scalars(sa.select(StripeEvent.type)))
    assert {"checkout.session.completed", "charge.dispute.created"} <= types


@pytest.mark.parametrize("process", ["serve", "worker", "sandbox", "sweep", "reconcile"])
def test_no_process_logs_a_secret_a_card_or_the_buyer(journey: Journey, process: str) -> None:
    assert found_in(journey.logs[process], [*journey.secrets(), *journey.tokens]) == []


def test_stripe_is_sent_the_key_in_its_header_alone_and_nothing_about_the_buyer(journey: Journey) -> None:
    sent = "\n".join(journey.wire.sent)
    assert found_in(sent, journey.secrets()) == []
    # The order's link goes to Stripe only as the address to which it sends the buyer back.
    for token in journey.tokens:
        assert token in sent
        assert token not in re.sub(r"(success|cancel)_url=[^&\n]+", "", sent)


def test_what_is_kept_of_stripes_events_holds_neither(journey: Journey) -> None:
    with journey.database.reading() as session:
        rows = session.execute(sa.select(StripeEvent.__table__)).all()
    kept = "\n".join(str(row) for row in rows)
    assert found_in(kept, [*journey.secrets(), *journey.tokens]) == []
