"""What the benchmark asks is answered as it expects, and costs no more SQL than it says."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.asks import KINDS, Kind
from bench.measuring import sql_of
from bench.premises import Premises
from tests.builders import a_product, shipping_to, variants_of
from tests.conftest import Shop

# The webhook's aim is not met yet; tests/pages/test_budgets.py holds what it takes today.
MET = [kind for kind in KINDS if not kind.name.startswith("webhook")]


@pytest.fixture
def premises(shop: Shop) -> Premises:
    with shop.database.transaction() as session:
        shipping_to(session, "SG")
        product = a_product(session, options={"Size": ["S", "M"]}, stock=99)
        slug, variant_id = product.slug, variants_of(session, product)[0].id
    shop.stripe.hold_deliveries()
    stripe: Any = SimpleNamespace(control=shop.stripe)
    return Premises(shop.app, shop.settings, shop.database, stripe, {}, slug, variant_id)


@pytest.mark.parametrize("kind", MET, ids=lambda kind: kind.name)
def test_a_request_takes_no_more_statements_than_its_aim(premises: Premises, kind: Kind) -> None:
    sent = sql_of(kind, premises)
    assert 0 < len(sent) <= kind.most_statements, sent


def test_each_webhook_makes_an_order_paid(premises: Premises) -> None:
    (kind,) = [kind for kind in KINDS if kind not in MET]
    assert any(statement.startswith("INSERT INTO stock_movements") for statement in sql_of(kind, premises))
