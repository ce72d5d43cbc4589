"""Every constraint of the schema refuses what it forbids, on both databases: tried in plain SQL, past all rules."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from shop.db import Database
from shop.models import metadata
from shop.schema import migrate
from tests.support import postgres
from tests.support.filling import fill

CHECKS = {
    "ck_catalogue_clock_single_row": "id = 2",
    "ck_products_status_known": "status = 'sold'",
    "ck_products_window_ordered": "publish_at = '2026-01-02', unpublish_at = '2026-01-01'",
    "ck_products_successor_is_another": "successor_id = id",
    "ck_articles_source_known": "source = 'rumour'",
    "ck_tie_ins_article_or_rule": "article_id = NULL",
    "ck_tie_ins_window_ordered": "starts_at = '2026-01-02', ends_at = '2026-01-01'",
    "ck_tie_ins_layout_known": "layout = 'banner'",
    "ck_suppressions_scope_known": "scope = 'continent'",
    "ck_suppressions_open_until_lifted": "lifted_at = '2026-01-01'",
    "ck_feeds_failures_not_negative": "failures = -1",
    "ck_purges_attempts_not_negative": "attempts = -1",
    "ck_insight_counts_counts_something": "times = 0",
    "ck_insight_counts_step_known": "step = 'dreamt'",
    "ck_cart_lines_stopped_known": "stopped = 'gone'",
    "ck_product_images_size_known": "width = 0",
    "ck_variants_price_not_negative": "price_minor = -1",
    "ck_variants_weight_not_negative": "weight_grams = -1",
    "ck_variants_on_hand_not_negative": "on_hand = -1, reserved = -1",
    "ck_variants_reserved_not_negative": "reserved = -1",
    "ck_variants_reserved_within_on_hand": "reserved = on_hand + 1",
    "ck_stock_movements_moves_something": "pieces = 0",
    "ck_stock_movements_kind_known": "kind = 'gift'",
    "ck_cart_lines_quantity_positive": "quantity = 0",
    "ck_cart_lines_seen_price_not_negative": "seen_price_minor = -1",
    "ck_orders_subtotal_not_negative": "subtotal_minor = -1, total_minor = -1",
    "ck_orders_shipping_not_negative": "shipping_minor = -1, total_minor = subtotal_minor - 1",
    "ck_orders_total_adds_up": "total_minor = total_minor + 1",
    "ck_orders_paid_in_full": "paid_at = '2026-01-01', paid_minor = total_minor - 1",
    "ck_orders_paid_amount_is_dated": "paid_minor = total_minor",
    "ck_orders_refund_within_paid": "refunded_minor = 1",
    "ck_orders_refund_not_negative": "refunded_minor = 1, refund_pending_minor = -1",
    "ck_orders_disputed_not_negative": "disputed_minor = -1",
    "ck_orders_dispute_state_known": "dispute_state = 'odd'",
    "ck_orders_unmatched_is_not_paid": "unmatched_minor = 5, unmatched_currency = NULL",
    "ck_orders_status_known": "status = 'lost'",
    "ck_orders_stock_state_known": "stock_state = 'lost'",
    "ck_orders_sold_is_paid": "stock_state = 'sold'",
    "ck_orders_shipped_is_paid": "shipped_at = '2026-01-01'",
    "ck_orders_closed_frees_the_cart": "closed_at = '2026-01-01'",
    "ck_order_lines_quantity_positive": "quantity = 0",
    "ck_order_lines_price_not_negative": "unit_price_minor = -1",
    "ck_order_lines_refunded_within_ordered": "refunded_quantity = quantity + 1",
    "ck_stripe_events_state_known": "state = 'lost'",
    "ck_stripe_events_due_is_unfinished": "due_at = '2026-01-01'",
    "ck_refunds_amount_positive": "amount_minor = 0, shipping_minor = 0",
    "ck_refunds_shipping_within_amount": "shipping_minor = amount_minor + 1",
    "ck_refunds_status_known": "status = 'lost'",
    "ck_refunds_told_has_id": "stripe_id = NULL",
    "ck_refund_lines_quantity_positive": "quantity = 0",
    "ck_refund_lines_amount_not_negative": "amount_minor = -1",
    "ck_disputes_amount_not_negative": "amount_minor = -1",
    "ck_disputes_funds_not_negative": "withdrawn_minor = -1",
    "ck_outbox_state_known": "state = 'lost'",
    "ck_shipping_rates_amount_not_negative": "amount_minor = -1",
    "ck_shipping_rates_days_ordered": "min_days = max_days + 1",
}
CONSTRAINTS = {str(rule.name): rule for table in metadata.sorted_tables for rule in table.constraints}
# One that holds the primary key forbids nothing more; it is there to be referred to.
UNIQUE = sorted(
    name
    for name, rule in CONSTRAINTS.items()
    if isinstance(rule, sa.UniqueConstraint) and not rule.columns.contains_column(rule.table.columns["id"])
)
REFERENCES = sorted(name for name, rule in CONSTRAINTS.items() if isinstance(rule, sa.ForeignKeyConstraint))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One for all tests: what is refused changes nothing."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('schema')}/shop.db"
    else:
        name = f"schema_{request.getfixturevalue('worker_id')}"
        url = postgres.fresh_database(request.getfixturevalue("postgres_server"), name)
    database = Database.connect(url)
    migrate(database)
    fill(database)
    yield database
    database.close()


def refused(database: Database, *statements: str) -> str:
    """What the database says against the last of `statements`, all of which are taken back."""
    with database.engine.connect() as connection, connection.begin() as transaction:
        for statement in statements[:-1]:
            connection.execute(sa.text(statement))
        with pytest.raises(sa.exc.IntegrityError) as refusal:
            connection.execute(sa.text(statements[-1]))
        transaction.rollback()
    return str(refusal.value.orig)


def test_every_check_is_tried() -> None:
    assert set(CHECKS) == {name for name, rule in CONSTRAINTS.items() if isinstance(rule, sa.CheckConstraint)}


@pytest.mark.parametrize("name", CHECKS)
def test_what_a_check_forbids_cannot_be_stored(filled: Database, name: str) -> None:
    table = CONSTRAINTS[name].table.name
    assert name in refused(filled, f"UPDATE {table} SET {CHECKS[name]} WHERE id = 1")


@pytest.mark.parametrize("name", UNIQUE)
def test_what_is_unique_cannot_be_there_twice(filled: Database, name: str) -> None:
    rule = CONSTRAINTS[name]
    assert isinstance(rule, sa.UniqueConstraint)
    table = rule.table.name
    same = ", ".join(f"{c.name} = (SELECT {c.name} FROM {table} WHERE id = 1)" for c in rule.columns)
    said = refused(filled, f"UPDATE {table} SET {same} WHERE id = 2")
    assert name in said or ", ".join(f"{table}.{c.name}" for c in rule.columns) in said


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_to_nothing_cannot_be_stored(filled: Database, name: str) -> None:
    rule = CONSTRAINTS[name]
    assert isinstance(rule, sa.ForeignKeyConstraint)
    last = rule.elements[-1].parent
    assert (
        "foreign key"
        in refused(filled, f"UPDATE {rule.table.name} SET {last.name} = 999 WHERE {last.name} = 1").lower()
    )


@pytest.mark.parametrize(("table", "other"), [("order_lines", "stock_movements"), ("stock_movements", "order_lines")])
def test_what_was_sold_or_moved_keeps_its_variant(filled: Database, table: str, other: str) -> None:
    said = refused(filled, f"DELETE FROM {other}", "DELETE FROM variants WHERE id = 1")
    assert "foreign key" in said.lower()


def test_every_reference_has_an_index_to_be_found_by() -> None:
    """Or forgetting a cart, or an article, reads whole tables of lines."""
    for table in metadata.sorted_tables:
        lists = [[c.name for c in rule.columns] for rule in (*table.indexes, table.primary_key)]
        lists += [[c.name for c in rule.columns] for rule in table.constraints if isinstance(rule, sa.UniqueConstraint)]
        for key in table.foreign_key_constraints:
            wanted = [c.name for c in key.columns]
            assert any(found[: len(wanted)] == wanted for found in lists), f"{table.name}: {wanted}"
