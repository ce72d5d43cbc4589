"""A whole house: shop, local Stripe and newsroom, each on a site of its own, with the demo's catalogue.

To a browser the three are different *sites*, not only different ports: the shop is 127.0.0.1, the newsroom courier.localhost
and the local Stripe localhost. So the rules for third parties and for SameSite cookies bite as they do in the world.
"""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from shop.app import create_app
from shop.catalog import stock
from shop.catalog.models import Variant
from shop.config import Settings
from shop.db import Database
from shop.demo.newsroom import NewsroomSettings, create_newsroom
from shop.demo.seed import seed
from shop.demo.stories import STORIES
from shop.mail.sending import Sent, send_due
from shop.orders.reading import OrderView, find_by_number, list_orders
from shop.payments.gateway import Gateway
from shop.sandbox import SandboxSettings
from shop.sandbox.control import Control
from shop.sandbox.server import RunningSandbox
from shop.sandbox.server import running as running_sandbox
from shop.schema import migrate
from shop.workshop import Workshop
from tests.support.serving import serving

KEY = "sk_test_" + "j" * 24
WEBHOOK_SECRET = "whsec_" + "j" * 32
STORY = next(story for story in STORIES if story.merchandise and story.merchandise.product == "trump-kim-tee")


@dataclass(frozen=True)
class House:
    """Everything that runs in a journey, and its addresses as a browser knows them."""

    settings: Settings
    database: Database
    stripe: Control
    url: str
    stripe_url: str
    newsroom_url: str

    @property
    def article_url(self) -> str:
        """The story that carries the embed of the shirt."""
        return self.newsroom_url + STORY.path

    @property
    def plain_article_url(self) -> str:
        """The same story on a page without any script."""
        return f"{self.newsroom_url}/plain{STORY.path}"

    def orders(self) -> list[OrderView]:
        """Every order, the newest first."""
        with self.database.reading() as session:
            views = [find_by_number(session, row.number) for row in list_orders(session).orders]
        return [view for view in views if view is not None]

    def stock_of(self, sku: str) -> tuple[int, int]:
        """Pieces on hand and of those the reserved ones."""
        with self.database.reading() as session:
            row = session.execute(select(Variant.on_hand, Variant.reserved).where(Variant.sku == sku)).one()
        return row[0], row[1]

    def leave(self, sku: str, pieces: int) -> None:
        """Have just so many pieces on hand."""
        with self.database.transaction() as session:
            variant = session.scalars(select(Variant).where(Variant.sku == sku)).one()
            if pieces != variant.on_hand:
                stock.adjust(session, variant.id, pieces - variant.on_hand, "counted anew", "a journey")

    def send_mail(self) -> Sent:
        """Do what the worker does: send what is due. The newsroom's mailroom shows it."""
        workshop = Workshop(self.settings)
        try:
            return send_due(workshop.database, workshop.transport, workshop.compose)
        finally:
            workshop.close()


def prepare(folder: Path) -> None:
    """Migrate and seed a shop in `folder`: slow once, for it draws the pictures. `open_house` works on copies."""
    settings = Settings.load(shop_data=folder, stripe_secret_key=KEY, stripe_webhook_secret=WEBHOOK_SECRET)
    folder.mkdir(parents=True, exist_ok=True)
    database = Database.connect(settings.database_url)
    try:
        migrate(database)
        seed(database, settings)
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.commit()
    finally:
        database.close()


@contextmanager
def open_house(prepared: Path, folder: Path, **overrides: object) -> Iterator[House]:
    """A house of its own on a copy of `prepared`, served in threads until the block ends. `overrides` are settings."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(prepared / "shop.db", folder / "shop.db")
    # Links, not copies: a stored picture never changes.
    shutil.copytree(prepared / "media", folder / "media", copy_function=os.link)
    with ExitStack() as last, serving() as shop, serving() as newsroom, _stripe(folder) as sandbox:
        stripe_url = _at(sandbox.url, "localhost")
        newsroom_url = _at(newsroom.url, "courier.localhost")
        values: dict[str, object] = {
            "shop_data": folder,
            "shop_name": "The Courier Shop",
            "shop_url": shop.url,
            "shop_publisher_hosts": newsroom_url.removeprefix("http://"),
            "stripe_secret_key": KEY,
            "stripe_webhook_secret": WEBHOOK_SECRET,
            "stripe_api_base": stripe_url,
        }
        settings = Settings.load(**(values | overrides))
        gateway = Gateway(settings, time_out=(1.0, 3.0), retries=1)
        # In another thread: this one may hold Playwright's event loop, beside which Flask opens no context.
        with ThreadPoolExecutor(1) as elsewhere:
            app = elsewhere.submit(create_app, settings, gateway).result()
        # Closed when nothing is served or delivered any more: a late webhook would open a connection again.
        last.callback(app.extensions["understory"].database.close)
        database = Database.connect(settings.database_url)
        last.callback(database.close)
        shop.app = app
        newsroom.app = create_newsroom(NewsroomSettings(newsroom_url, settings.shop_url, folder / "mail"))
        sandbox.control.set_webhook(f"{shop.url}/webhooks/stripe", WEBHOOK_SECRET)
        yield House(settings, database, sandbox.control, shop.url, stripe_url, newsroom_url)


def _stripe(folder: Path) -> AbstractContextManager[RunningSandbox]:
    def described(url: str) -> SandboxSettings:
        return SandboxSettings(folder / "stripe.db", _at(url, "localhost"), business_name="The Courier Shop")

    return running_sandbox(described, retry_delays=(0.05, 0.1, 0.2, 0.4, 0.8, 1.6))


def _at(url: str, host: str) -> str:
    return url.replace("127.0.0.1", host)
