"""The reader's language, from the browser's header to the order, Stripe's page and the receipt."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from shop.mail.sending import send_due
from shop.mail.transports import transport_for
from shop.orders.models import Order
from shop.payments.models import PaymentAttempt
from shop.workshop import Workshop
from tests.builders import a_product, shipping_to
from tests.conftest import Shop
from tests.support.letters import MailServer, a_mail_server
from tests.support.reader import BUYER, Reader
from tests.support.serving import eventually


@pytest.fixture
def server() -> Iterator[MailServer]:
    with a_mail_server() as server:
        yield server


def reader_of(shop: Shop, languages: str) -> Reader:
    client = shop.app.test_client()
    if languages:
        client.environ_base["HTTP_ACCEPT_LANGUAGE"] = languages
    return Reader(client)


def put_on_sale(shop: Shop) -> None:
    with shop.database.transaction() as session:
        a_product(session, "mug", title="Mug")
        shipping_to(session, "SG")


def ordered(shop: Shop) -> tuple[str, dict[str, Any]]:
    with shop.database.reading() as session:
        locale, params = session.execute(
            sa.select(Order.locale, PaymentAttempt.params).join(PaymentAttempt, PaymentAttempt.order_id == Order.id)
        ).one()
        return locale, params


@pytest.mark.parametrize(
    ("languages", "locale", "on_stripes_page"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh_Hans_SG", "zh"),
        ("en;q=0.5,ms-MY;q=0.9", "ms_SG", "ms"),
        ("ta-IN", "ta_SG", None),  # Stripe's page knows no Tamil
        ("en-GB,en", "en_SG", "en"),
        ("zh-CN;q=0,en", "en_SG", "en"),
        ("fr-FR,de", "", None),
        ("", "", None),
        (",;q=,\x7f\xff" + "zh-TW," * 400 + "zh-CN", "", None),
    ],
)
@pytest.mark.parametrize("way", ["cart", "buy now"])
def test_an_order_remembers_the_best_of_its_readers_languages(
    shop: Shop, languages: str, locale: str, on_stripes_page: str | None, way: str
) -> None:
    put_on_sale(shop)
    reader = reader_of(shop, languages)
    if way == "buy now":
        assert reader.buy("mug").status == 303
    else:
        assert reader.add("mug").status == 303
        assert reader.pay().status == 303
    kept, params = ordered(shop)
    assert kept == locale
    assert params.get("locale") == on_stripes_page
    (session,) = shop.stripe.sessions()
    assert session["locale"] == on_stripes_page


def test_an_order_from_under_a_story_remembers_it_too(shop: Shop) -> None:
    put_on_sale(shop)
    reader = reader_of(shop, "ms")
    answer = reader.client.post("/embed/checkout", data={"product": "mug", "quantity": "1", "press": "p" * 32})
    assert answer.status_code == 303
    assert ordered(shop)[0] == "ms_SG"


def test_a_reader_is_sent_the_receipt_in_the_language_of_the_browser(shop: Shop, server: MailServer) -> None:
    put_on_sale(shop)
    assert reader_of(shop, "zh-SG").buy("mug").status == 303
    shop.stripe.pay(shop.stripe.sessions()[0]["id"], "4242424242424242", email=BUYER["email"], name=BUYER["name"])
    workshop = Workshop(shop.settings)
    try:
        eventually(lambda: send_due(shop.database, transport_for(server.url), workshop.compose).sent)
    finally:
        workshop.close()
    (receipt,) = server.kept
    assert receipt["Content-Language"] == "zh-Hans-SG"
    assert receipt["Subject"].endswith("的收据")
