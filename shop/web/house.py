"""What every door needs at hand: settings, database, the showcase of products, placements, and the payment gateway."""

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, cast

from flask import current_app
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from shop.articles.curious import Curious
from shop.articles.placement import PlacementSigner
from shop.catalog.showcase import ProductView, Shelf, Showcase, shelf
from shop.catalog.standing import Standing, standing
from shop.config import Settings
from shop.db import Database, is_away
from shop.insights.counting import Counters
from shop.payments.gateway import Gateway
from shop.web.offer import SLUG, Countries, CountriesServed


class RequestSessions(SQLAlchemy):
    """The library's session for each request, closed when the request ends."""

    def init_app(self, app: Any) -> None:
        """Attach it to a Flask app."""
        super().init_app(app)
        # Closing async sessions, of which there are none, costs a thread of its own after every request.
        app.teardown_appcontext_funcs[:] = [
            _though_database_is_away(end) for end in app.teardown_appcontext_funcs if not iscoroutinefunction(end)
        ]


def _though_database_is_away(end: Callable[..., None]) -> Callable[..., None]:
    """Ends a request's reading; if the database has gone meanwhile it has ended that, and the answer is ready to be sent."""

    def ended(error: BaseException | None) -> None:
        try:
            end(error)
        except SQLAlchemyError as failure:
            if not is_away(failure):
                raise

    return ended


db = RequestSessions(session_options={"expire_on_commit": False, "autoflush": False})


@dataclass
class House:
    """One for each app. Everything in it is safe between threads."""

    settings: Settings
    database: Database
    gateway: Gateway
    placements: PlacementSigner
    curious: Curious
    showcase: Showcase = field(default_factory=Showcase)
    served: CountriesServed = field(init=False)
    counters: Counters = field(init=False)

    def __post_init__(self) -> None:
        self.served = CountriesServed(self.settings.shop_locale)
        self.counters = Counters(self.settings.zone)

    def product(self, slug: str) -> ProductView | None:
        """The product on sale under `slug`, with its stock of this instant; None if there is none."""
        # Asked for every page and every card: without a session, whose bookkeeping costs as much as the answer.
        with self.database.engine.connect() as connection:
            return self.showcase.product(connection, slug)

    def standing(self, slug: str) -> Standing:
        """How the product with this address stands, or what came after it. `slug` may be of any form."""
        if not SLUG.fullmatch(slug):
            return Standing("unknown")
        with self.database.engine.connect() as connection:
            return standing(connection, self.showcase, slug)

    def shelf(self, after: str | None, limit: int) -> Shelf:
        """One page of what is on sale, beyond the cursor `after`."""
        with self.database.engine.connect() as connection:
            return shelf(connection, after, limit)


def house() -> House:
    """The house of the app that serves this request."""
    return cast(House, current_app.extensions["understory"])


def countries() -> Countries:
    """The countries that something can be shipped to, by name. One statement, or none if lately read."""
    return house().served.read(reading)


def reading() -> Session:
    """This request's session for reading. Verbs that write, or that call Stripe, get the `Database` instead."""
    return db.session


def end_reading() -> None:
    """Close the reading session's transaction. Needed before any verb that calls Stripe: no call goes out inside one."""
    db.session.close()
