"""Rows in every table, whatever tables there are: for migrations, and for trying to break what the schema promises."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from shop.db import Database

# What a column takes that is no name, number or moment of the reader's choice.
TAKEN = {
    "products.status": "active",
    "stock_movements.kind": "receive",
    "orders.status": "pending",
    "orders.stock_state": "reserved",
    "payment_attempts.state": "open",
    "orders.dispute_state": "",
    "refunds.status": "pending",
    "stripe_events.state": "applied",
    "outbox.state": "waiting",
    "articles.source": "feed",
    "tie_ins.layout": "card",
    "suppressions.scope": "article",
    "cart_lines.stopped": "",
    "insight_counts.step": "seen",
}
EMPTY = {"publish_at", "unpublish_at", "paid_at", "shipped_at", "closed_at", "due_at", "unmatched_minor"}
EMPTY |= {"successor_id", "rule_key", "starts_at", "ends_at", "lifted_at"}
ZERO = {"paid_minor", "refunded_minor", "refund_pending_minor", "shipping_minor", "refunded_quantity"}


def tables_of(connection: sa.Connection) -> list[sa.Table]:
    """The tables that are there, those first to which others refer."""
    found = sa.MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def fill(database: Database) -> None:
    """Two rows in every table that there is, each referring to the rows of its own number."""
    with database.transaction() as session:
        connection = session.connection()
        for table in tables_of(connection):
            for number in (1, 2) if table.name != "catalogue_clock" else ():
                connection.execute(table.insert(), {column.name: _value(column, number) for column in table.columns})
            if "successor_id" in table.c:  # of its own table, where the first row cannot refer to the second yet
                connection.execute(table.update().where(table.c.id == 2).values(successor_id=1))


def _value(column: sa.Column[Any], number: int) -> Any:
    name = f"{column.table.name}.{column.name}"
    if name in TAKEN:
        return TAKEN[name]
    if column.name in EMPTY and column.nullable:
        return None
    if column.name in ZERO:
        return 0
    moment = datetime(2026, 3, number, tzinfo=UTC)
    kinds = {sa.DateTime: moment, sa.Date: moment.date(), sa.Boolean: True, sa.JSON: {}, sa.Integer: number}
    return next((value for kind, value in kinds.items() if isinstance(column.type, kind)), str(number))
