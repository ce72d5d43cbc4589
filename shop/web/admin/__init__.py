"""The door of staff. `gate` lets in whom the table of permissions allows; `login` is Flask-Security's, in our look."""

from flask import Flask

from shop.web.admin import (
    attention,
    audit,
    books,
    events,
    home,
    login,
    orders,
    pictures,
    products,
    refunds,
    shown,
    stock,
)
from shop.web.admin.gate import bp
from shop.web.house import house

__all__ = [
    "attention",
    "audit",
    "books",
    "events",
    "home",
    "orders",
    "pictures",
    "products",
    "refunds",
    "register",
    "shown",
    "stock",
]


def register(app: Flask) -> None:
    """Add the back office to `app`."""
    app.register_blueprint(bp)
    with app.app_context():
        login.register(app, house().settings)
