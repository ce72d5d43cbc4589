"""Frame documents: rendered once for each state of a product, then only three values are put in for each reader.

Nothing that a stranger writes into the address is part of a key, so inventing addresses fills no memory.
"""

import re
import secrets
import threading
from collections import OrderedDict
from functools import lru_cache

from flask import current_app, render_template
from markupsafe import escape

from shop.articles.placement import PlacementSigner
from shop.catalog.showcase import PictureView, ProductView, VariantView
from shop.config import Settings
from shop.web.embed.files import sheet_url
from shop.web.offer import Countries, CountriesServed, gone_values, new_press, one_line, priced, shown_values

KEPT_DOCUMENTS = 512
CTA_LIMIT = 120
TITLE_LIMIT = 300
STORY_LIMIT = 500
# More choices than this are a list rather than buttons: a card must stay a card.
MOST_BUTTONS = 6
# The style sheet has a rule for each picture that a choice can bring up.
MOST_SHOTS = 6

_Segments = tuple[str, ...]
_Key = tuple[int, int, tuple[bool, ...], Countries]


def shots(product: ProductView) -> tuple[PictureView, ...]:
    """The first picture, and those that show a choice."""
    return tuple(p for n, p in enumerate(product.pictures) if n == 0 or p.value_id)[:MOST_SHOTS]


def shot_of(product: ProductView, variant: VariantView) -> tuple[PictureView, ...]:
    """The picture of one variant: of a value it has, or the first."""
    fitting = [picture for picture in product.pictures if picture.value_id in variant.choice_ids]
    return tuple((fitting or list(product.pictures))[:1])


def shown_prices(product: ProductView) -> str:
    """ "12:3900,13:3900": what each variant costs on the card; its form sends this back, so that a changed price is said."""
    return ",".join(f"{variant.id}:{variant.price_minor}" for variant in product.variants)


class Frames:
    """What one app keeps for its frames. Safe between threads."""

    def __init__(self, settings: Settings, signer: PlacementSigner) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Segments] = OrderedDict()
        self._mark = secrets.token_hex(12)
        self._slots = re.compile(f"{self._mark}(cta|placement|press){self._mark}")
        self.countries = CountriesServed(settings.shop_locale)
        # Many readers of one story ask for the same token, and signing costs as much as the rest of the frame.
        self._sign = lru_cache(maxsize=1024)(signer.sign)

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
        slots = {name: f"{self._mark}{name}{self._mark}" for name in ("cta", "placement", "press")}
        page = render_template("embed/frame.html", **self.words(product, countries), **slots)
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
            "shown_prices": shown_prices(product),
            "gone": gone_values(product),
            "shots": shots(product),
            "chosen": shown_values(product),
            "most_buttons": MOST_BUTTONS,
            "limit": self._settings.shop_max_quantity,
            "sheet": sheet_url(),
            "quantity": "1",
            "errors": {},
            "handle": "",
        }


def frames() -> Frames:
    """The frames of the app that serves this request."""
    kept = current_app.extensions["understory.embed"]
    assert isinstance(kept, Frames)
    return kept
