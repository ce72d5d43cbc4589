"""The sweep remembers what it looked at; an order's sums are held by the schema; indexes for what is deleted.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# SQLite can only make the table anew, and what it reads of the old one leaves the checks out.
CHECKS = {
    "subtotal_not_negative": "subtotal_minor >= 0",
    "shipping_not_negative": "shipping_minor >= 0",
    "refund_within_paid": "refunded_minor >= 0 AND refunded_minor <= paid_minor",
    "paid_amount_is_dated": "paid_at IS NOT NULL OR paid_minor = 0",
    "stock_state_known": "stock_state IN ('reserved', 'sold', 'released', 'owed')",
    "sold_is_paid": "stock_state <> 'sold' OR paid_at IS NOT NULL",
    "shipped_is_paid": "shipped_at IS NULL OR paid_at IS NOT NULL",
}
NEW_CHECKS = {
    "total_adds_up": "total_minor = subtotal_minor + shipping_minor",
    "paid_in_full": "paid_at IS NULL OR paid_minor = total_minor",
    "closed_frees_the_cart": "open_cart_id IS NULL OR closed_at IS NULL",
    "status_known": "status IN ('pending', 'processing', 'paid', 'shipped', 'payment_failed', 'expired', 'cancelled', 'refunded', 'attention')",
}


def upgrade() -> None:
    op.add_column("payment_attempts", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_cart_handovers_cart_id", "cart_handovers", ["cart_id"])
    op.create_index("ix_cart_handovers_expires_at", "cart_handovers", ["expires_at"])
    op.create_index("ix_cart_lines_article_id", "cart_lines", ["article_id"])
    op.create_index("ix_product_images_value_id", "product_images", ["value_id"])
    op.create_index("ix_staff_roles_role_id", "staff_roles", ["role_id"])
    op.create_index("ix_stock_movements_variant_id_id", "stock_movements", ["variant_id", "id"])
    op.create_index("ix_variant_choices_option_id_value_id", "variant_choices", ["option_id", "value_id"])
    kept = [sa.CheckConstraint(rule, name=op.f(f"ck_orders_{name}")) for name, rule in CHECKS.items()]
    with op.batch_alter_table("orders", table_args=kept) as orders:
        for name, rule in NEW_CHECKS.items():
            orders.create_check_constraint(op.f(f"ck_orders_{name}"), rule)


def downgrade() -> None:
    raise NotImplementedError("migrations go forward only: restore the backup that was made before this one")
