"""A line of a cart keeps the headline that its own reader came from.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "cart_lines", sa.Column("article_title", sa.String(300), nullable=False, server_default=sa.text("''"))
    )
    op.execute(
        "UPDATE cart_lines SET article_title ="
        " (SELECT title FROM articles WHERE articles.id = cart_lines.article_id) WHERE article_id IS NOT NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("migrations go forward only: restore the backup that was made before this one")
