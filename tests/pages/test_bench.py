"""What the benchmark asks is answered as it expects, and costs no more SQL than it says."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from bench.asks import KINDS, Kind, webhook
from bench.floors import EVENTS, METADATA
from bench.measuring import sql_of
from bench.premises import Premises
from bench.servers import bare
from tests.builders import a_product, shipping_to, variants_of
from tests.conftest import TEST_WEBHOOK_SECRET, Shop


@pytest.fixture
def premises(shop: Shop) -> Premises:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        product = a_product(session, options={"Size": ["S", "M"]}, stock=99)
        slug, variant_id = product.slug, variants_of(session, product)[0].id
    shop.stripe.hold_deliveries()
    stripe: Any = SimpleNamespace(control=shop.stripe)
    return Premises(shop.app, shop.settings, shop.database, stripe, {}, slug, variant_id)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_request_takes_no_more_statements_than_its_aim(premises: Premises, kind: Kind) -> None:
    sent = sql_of(kind, premises)
    assert 0 < len(sent) <= kind.most_statements, sent


def test_each_webhook_makes_an_order_paid(premises: Premises) -> None:
    (kind,) = [kind for kind in KINDS if kind.bare_too]
    assert any(statement.startswith("INSERT INTO stock_movements") for statement in sql_of(kind, premises))


def test_the_bare_view_takes_the_same_event_and_no_forged_one(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE_URL", premises.settings.database_url)
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", TEST_WEBHOOK_SECRET)
    METADATA.create_all(premises.database.engine)
    try:
        app = bare()
        (ask,) = webhook(premises, 1)
        assert ask.body is not None
        client = app.test_client()
        assert client.post(ask.path, data=ask.body + b" ", headers=ask.headers).status_code == 400
        assert client.post(ask.path, data=ask.body, headers=ask.headers).status_code == 200
        with premises.database.reading() as session:
            assert len(session.execute(select(EVENTS)).all()) == 1
        app.extensions["engine"].dispose()
    finally:
        METADATA.drop_all(premises.database.engine)
