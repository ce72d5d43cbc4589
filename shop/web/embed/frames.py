"""Frame documents: rendered once for each state of a product, then only three values are put in for each reader.

Nothing that a stranger writes into the address is part of a key, so inventing addresses fills no memory.
"""

import re
import secrets
import threading
import time
from collections import OrderedDict
from functools import lru_cache

from babel import Locale
from flask import current_app, render_template
from markupsafe import escape
from sqlalchemy.orm import Session

from shop.articles.placement import PlacementSigner
from shop.catalog.showcase import OptionView, PictureView, ProductView, VariantView
from shop.config import Settings
from shop.fulfilment.rates import countries_served
from shop.money import format_money
from shop.web.embed.files import sheet_url

KEPT_DOCUMENTS = 512
CTA_LIMIT = 120
TITLE_LIMIT = 300
STORY_LIMIT = 500
# Staff change shipping zones rarely, and a country that went away is refused at checkout anyway.
COUNTRIES_FRESH_FOR = 30.0
# More choices than this are a list rather than buttons: a card must stay a card.
MOST_BUTTONS = 6
MOST_SHOTS = 6

Countries = tuple[tuple[str, str], ...]
_Segments = tuple[str, ...]
_Key = tuple[int, int, tuple[bool, ...], Countries]


def one_line(text: str, limit: int) -> str:
    """Text from an address as one short line without control characters, which PostgreSQL would not store either."""
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text[: limit * 4]).split())[:limit].strip()


def field_of(option: OptionView) -> str:
    """The name of an option's form field."""
    return f"option_{option.id}"


def shown_option(product: ProductView) -> dict[int, int]:
    """Option id -> value id of the option that the first picture shows: what one sees is what one has chosen."""
    seen = product.pictures[0].value_id if product.pictures else None
    return {option.id: value.id for option in product.options for value in option.values if value.id == seen}


def shots(product: ProductView) -> tuple[PictureView, ...]:
    """The first picture, and those that show a choice: the sheet has rules for six."""
    return tuple(p for n, p in enumerate(product.pictures) if n == 0 or p.value_id)[:MOST_SHOTS]


def shot_of(product: ProductView, variant: VariantView) -> tuple[PictureView, ...]:
    """The picture of one variant: of a value it has, or the first."""
    fitting = [picture for picture in product.pictures if picture.value_id in variant.choice_ids]
    return tuple((fitting or list(product.pictures))[:1])


def priced(product: ProductView, locale: str) -> dict[str, str]:
    """ "7-9" (ids of the values, in order) -> the variant's price, or "" if it is sold out. For the frame's script."""
    return {
        "-".join(map(str, sorted(variant.choice_ids))): (
            format_money(variant.price_minor, product.currency, locale) if variant.available > 0 else ""
        )
        for variant in product.variants
    }


def gone_values(product: ProductView) -> frozenset[int]:
    """The values that no variant left in stock has."""
    every = {value.id for option in product.options for value in option.values}
    left = {choice for variant in product.variants if variant.available > 0 for choice in variant.choice_ids}
    return frozenset(every - left)


class Frames:
    """What one app keeps for its frames. Safe between threads."""

    def __init__(self, settings: Settings, signer: PlacementSigner) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Segments] = OrderedDict()
        self._countries: Countries = ()
        self._countries_until = 0.0
        self._mark = secrets.token_hex(12)
        self._slots = re.compile(f"{self._mark}(cta|placement|press){self._mark}")
        self._names = Locale.parse(settings.shop_locale).territories
        # Many readers of one story ask for the same token, and signing costs as much as the rest of the frame.
        self._sign = lru_cache(maxsize=1024)(signer.sign)

    def countries(self, session: Session) -> Countries:
        """Code and name of each country served, in the names' order. One statement, or none if lately read."""
        moment = time.monotonic()
        if moment >= self._countries_until:
            codes = countries_served(session)
            named = ((code, str(self._names.get(code, code))) for code in codes)
            self._countries = tuple(sorted(named, key=lambda pair: pair[1]))
            self._countries_until = moment + COUNTRIES_FRESH_FOR
        return self._countries

    def placement(self, story: str, title: str) -> str:
        """A placement token for a card under `story`; empty for what is no address of a story of the publisher's."""
        if not story or len(story) > STORY_LIMIT:
            return ""
        return self._sign(story, one_line(title, TITLE_LIMIT), "card")

    def offer(self, product: ProductView, countries: Countries, *, cta: str, placement: str) -> str:
        """The document that offers `product`, with a fresh press."""
        key = (product.id, product.version, product.stock_key, countries)
        with self._lock:
            segments = self._kept.get(key)
            if segments is not None:
                self._kept.move_to_end(key)
        if segments is None:
            segments = self._render(product, countries)
            with self._lock:
                self._kept[key] = segments
                while len(self._kept) > KEPT_DOCUMENTS:
                    self._kept.popitem(last=False)
        values = {"cta": str(escape(cta)), "placement": str(escape(placement)), "press": new_press()}
        return "".join(values[part] if index % 2 else part for index, part in enumerate(segments))

    def _render(self, product: ProductView, countries: Countries) -> _Segments:
        slot = {name: f"{self._mark}{name}{self._mark}" for name in ("cta", "placement", "press")}
        page = render_template("embed/frame.html", **self.words(product, countries), **slot)
        return tuple(self._slots.split(page))

    def words(self, product: ProductView, countries: Countries) -> dict[str, object]:
        """What every template that offers a product needs, with nothing chosen but what the picture shows."""
        home = self._settings.shop_country
        served = [code for code, _ in countries]
        return {
            "product": product,
            "countries": countries,
            "country": home if home in served else next(iter(served), ""),
            "prices": priced(product, self._settings.shop_locale),
            "gone": gone_values(product),
            "shots": shots(product),
            "chosen": shown_option(product),
            "most_buttons": MOST_BUTTONS,
            "limit": self._settings.shop_max_quantity,
            "sheet": sheet_url(),
            "quantity": "1",
            "errors": {},
            "handle": "",
        }


def new_press() -> str:
    """Names one showing of the buttons, so that pressing "Buy now" twice buys once."""
    return secrets.token_urlsafe(18)


def frames() -> Frames:
    """The frames of the app that serves this request."""
    kept = current_app.extensions["understory.embed"]
    assert isinstance(kept, Frames)
    return kept
