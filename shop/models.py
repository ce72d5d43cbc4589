"""Imports every table, so that `Base.metadata` is complete for migrations and for tests."""

from shop.articles import models as articles
from shop.cart import models as cart
from shop.catalog import models as catalog
from shop.db import Base
from shop.fulfilment import models as fulfilment
from shop.insights import models as insights
from shop.mail import models as mail
from shop.orders import models as orders
from shop.payments import models as payments
from shop.staff import models as staff

metadata = Base.metadata

__all__ = ["articles", "cart", "catalog", "fulfilment", "insights", "mail", "metadata", "orders", "payments", "staff"]
