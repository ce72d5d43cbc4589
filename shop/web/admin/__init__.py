"""The door of staff. `gate` lets in whom the table of permissions allows; `login` is Flask-Security's, in our look."""

from flask import Flask

from shop.web.admin import audit, home, login, orders, pictures, products, shown, stock
from shop.web.admin.gate import bp
from shop.web.house import house

__all__ = ["audit", "home", "orders", "pictures", "products", "register", "shown", "stock"]


def register(app: Flask) -> None:
    """Add the back office to `app`."""
    app.register_blueprint(bp)
    with app.app_context():
        login.register(app, house().settings)
