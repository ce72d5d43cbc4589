"""Refunds, disputes, what the reconciler found, and events that wait; an attempt is closed when its order is.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATUSES = "'pending', 'processing', 'paid', 'shipped', 'partly_refunded', 'refunded', 'disputed', 'payment_failed', 'expired', 'cancelled', 'attention'"
NEW_ORDER_CHECKS = {
    "refund_not_negative": "refunded_minor >= 0 AND refund_pending_minor >= 0",
    "refund_within_paid": "refunded_minor + refund_pending_minor <= paid_minor",
    "disputed_not_negative": "disputed_minor >= 0",
    "dispute_state_known": "dispute_state IN ('', 'open', 'won', 'lost')",
    "unmatched_is_not_paid": "unmatched_minor IS NULL OR (paid_at IS NULL AND unmatched_minor > 0 AND unmatched_currency IS NOT NULL)",
    "status_known": f"status IN ({STATUSES})",
}


def upgrade() -> None:
    _orders()
    _what_stripe_tells()
    _new_tables()


def _orders() -> None:
    zero, nothing = sa.text("0"), sa.text("''")
    with op.batch_alter_table("orders") as orders:
        orders.drop_constraint(op.f("ck_orders_refund_within_paid"), type_="check")
        orders.drop_constraint(op.f("ck_orders_status_known"), type_="check")
        orders.add_column(sa.Column("locale", sa.String(20), nullable=False, server_default=nothing))
        orders.add_column(sa.Column("refund_pending_minor", sa.Integer(), nullable=False, server_default=zero))
        orders.add_column(sa.Column("disputed_minor", sa.Integer(), nullable=False, server_default=zero))
        orders.add_column(sa.Column("dispute_state", sa.String(10), nullable=False, server_default=nothing))
        orders.add_column(sa.Column("unmatched_minor", sa.Integer(), nullable=True))
        orders.add_column(sa.Column("unmatched_currency", sa.String(3), nullable=True))
        for name, rule in NEW_ORDER_CHECKS.items():
            orders.create_check_constraint(op.f(f"ck_orders_{name}"), rule)
    with op.batch_alter_table("order_lines") as lines:
        lines.add_column(sa.Column("refunded_quantity", sa.Integer(), nullable=False, server_default=zero))
        lines.create_check_constraint(
            op.f("ck_order_lines_refunded_within_ordered"),
            "refunded_quantity >= 0 AND refunded_quantity <= quantity",
        )


def _what_stripe_tells() -> None:
    with op.batch_alter_table("payment_attempts") as attempts:
        attempts.drop_constraint(op.f("ck_payment_attempts_state_known"), type_="check")
        attempts.drop_constraint(op.f("ck_payment_attempts_open_has_session"), type_="check")
        attempts.drop_index("ix_payment_attempts_state_expires_at")
        attempts.drop_column("state")
    with op.batch_alter_table("stripe_events") as events:
        events.drop_constraint(op.f("ck_stripe_events_state_known"), type_="check")
        events.add_column(sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
        events.create_index(op.f("ix_stripe_events_due_at"), ["due_at"])
        events.create_check_constraint(
            op.f("ck_stripe_events_state_known"), "state IN ('applied', 'ignored', 'waiting', 'failed')"
        )
        events.create_check_constraint(
            op.f("ck_stripe_events_due_is_unfinished"), "due_at IS NULL OR state IN ('waiting', 'failed')"
        )


def _new_tables() -> None:
    op.create_table(
        "reconcile_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage", sa.String(length=40), nullable=False),
        sa.Column("looked_at", sa.Integer(), nullable=False),
        sa.Column("mended", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=400), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconcile_runs")),
    )
    op.create_table(
        "discrepancies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=True),
        sa.Column("cause", sa.String(length=400), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_discrepancies_order_id_orders"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discrepancies")),
        sa.UniqueConstraint("kind", "subject", name=op.f("uq_discrepancies_kind_subject")),
    )
    with op.batch_alter_table("discrepancies") as batch_op:
        batch_op.create_index(batch_op.f("ix_discrepancies_order_id"), ["order_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_discrepancies_resolved_at"), ["resolved_at"], unique=False)

    op.create_table(
        "disputes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("stripe_id", sa.String(length=255), nullable=False),
        sa.Column("amount_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("evidence_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence_submitted", sa.Boolean(), nullable=False),
        sa.Column("withdrawn_minor", sa.Integer(), nullable=False),
        sa.Column("reinstated_minor", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_disputes_amount_not_negative")),
        sa.CheckConstraint(
            "withdrawn_minor >= 0 AND reinstated_minor >= 0", name=op.f("ck_disputes_funds_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_disputes_order_id_orders"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_disputes_stripe_id")),
    )
    with op.batch_alter_table("disputes") as batch_op:
        batch_op.create_index(batch_op.f("ix_disputes_order_id"), ["order_id"], unique=False)

    op.create_table(
        "refunds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("stripe_id", sa.String(length=255), nullable=True),
        sa.Column("idempotency_key", sa.String(length=80), nullable=True),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("amount_minor", sa.Integer(), nullable=False),
        sa.Column("shipping_minor", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("note", sa.String(length=400), nullable=False),
        sa.Column("restock", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("failure_reason", sa.String(length=400), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('creating', 'pending', 'requires_action', 'succeeded', 'failed', 'canceled', 'refused')",
            name=op.f("ck_refunds_status_known"),
        ),
        sa.CheckConstraint(
            "stripe_id IS NOT NULL OR status IN ('creating', 'refused')", name=op.f("ck_refunds_told_has_id")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint(
            "shipping_minor >= 0 AND shipping_minor <= amount_minor", name=op.f("ck_refunds_shipping_within_amount")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_refunds_order_id_orders"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_refunds_idempotency_key")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_refunds_stripe_id")),
    )
    with op.batch_alter_table("refunds") as batch_op:
        batch_op.create_index(batch_op.f("ix_refunds_order_id"), ["order_id"], unique=False)
        batch_op.create_index("ix_refunds_status_id", ["status", "id"], unique=False)

    op.create_table(
        "refund_lines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("refund_id", sa.Integer(), nullable=False),
        sa.Column("order_line_id", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_refund_lines_amount_not_negative")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_refund_lines_quantity_positive")),
        sa.ForeignKeyConstraint(
            ["order_line_id"],
            ["order_lines.id"],
            name=op.f("fk_refund_lines_order_line_id_order_lines"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["refund_id"], ["refunds.id"], name=op.f("fk_refund_lines_refund_id_refunds"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_lines")),
        sa.UniqueConstraint("refund_id", "order_line_id", name=op.f("uq_refund_lines_refund_id_order_line_id")),
    )
    with op.batch_alter_table("refund_lines") as batch_op:
        batch_op.create_index(batch_op.f("ix_refund_lines_order_line_id"), ["order_line_id"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward only: restore the backup that was made before this one")
