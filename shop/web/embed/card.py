"""GET /embed/card/<slug>.png: a product as a picture, for newsletters, which take neither scripts nor frames.

Words come from the catalogue, the price from the catalogue or from what the shop has signed (`shop.catalog.price_tag`), and
nothing from the address is ever drawn.
"""

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

from babel.dates import format_date
from flask import Response, abort, current_app, request

from shop.catalog.pictures import widths_of
from shop.catalog.price_tag import PriceTag, PriceTags, tag_of
from shop.catalog.showcase import ProductView
from shop.catalog.standing import Standing
from shop.config import Settings
from shop.errors import NotFound
from shop.money import Money, format_money, spoken
from shop.web.embed.drawing import PICTURE, Words, draw
from shop.web.embed.keeping import keep
from shop.web.embed.typeface import face_for
from shop.web.house import house

SCALES = {"1": 1, "2": 2}
KEPT_CARDS = 64


class Cards:
    """What one app keeps for its cards: its price tags, and the pictures drawn last. Safe between threads.

    One card is drawn at a time: it takes the processor as long as a hundred pages do, and the others can wait for it.
    """

    def __init__(self, settings: Settings) -> None:
        self.tags = PriceTags(settings.secret_keys)
        self._lock = threading.Lock()
        self._drawn: OrderedDict[tuple[Words, Path | None, int], bytes] = OrderedDict()

    def drawn(self, words: Words, picture: Path | None, scale: int) -> bytes:
        """The card with these words and this picture."""
        key = (words, picture, scale)
        with self._lock:
            if key not in self._drawn:
                self._drawn[key] = draw(*key)
                while len(self._drawn) > KEPT_CARDS:
                    self._drawn.popitem(last=False)
            self._drawn.move_to_end(key)
            return self._drawn[key]


def cards() -> Cards:
    """The cards of the app that serves this request."""
    kept = current_app.extensions["understory.cards"]
    assert isinstance(kept, Cards)
    return kept


def show(slug: str) -> Response:
    """The card, `?scale=2` for screens with twice the pixels, with the price of `?price=` (what `PriceTags.sign` made).

    A letter that is out cannot be called back: of what has ended since, or is gone, there is a card that says so, to whoever
    has the letter's signature. Raises NotFound without one.
    """
    scale = SCALES.get(request.args.get("scale") or "1")
    if scale is None:
        abort(400)
    settings, now = house().settings, house().standing(slug)
    tag = cards().tags.read(request.args.get("price", ""))
    if tag is not None and tag.slug not in {slug, now.product.slug if now.product else slug}:
        tag = None
    if (now.hidden or now.state == "over") and tag is None:
        raise NotFound("product")
    words = _words(settings, now, tag)
    product = now.product
    picture = _picture(settings, product, scale) if product is not None and not now.hidden else None
    body = cards().drawn(words, picture, scale)
    answer = Response(body, mimetype="image/png")
    answer.set_etag(hashlib.sha256(body).hexdigest()[:24])
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    # What comes in its place, and an address that it gives up, are other products' changes.
    keep(answer, ["catalogue", *([f"product-{product.id}"] if product else [])], now.until)
    return answer.make_conditional(request)  # type: ignore[return-value]


def _words(settings: Settings, now: Standing, tag: PriceTag | None) -> Words:
    product = now.product
    if product is None or now.hidden:
        return Words(settings.shop_name, "", note="No longer on sale")
    if now.state == "over":
        return Words(settings.shop_name, product.title, note="No longer on sale")
    # What came in a product's place has a price of its own.
    said = tag if tag is not None and not now.asked else tag_of(product)
    note = "Sold out for now" if now.state == "sold-out" else ""
    if said.day is not None and not note:
        note = f"Price on {format_date(said.day, 'd MMMM y', locale='en')}"
    return Words(settings.shop_name, product.title, _price(settings, said), note)


def _price(settings: Settings, tag: PriceTag) -> str:
    return ("from " if tag.is_lowest else "") + _written(settings, tag.price)


def _written(settings: Settings, price: Money) -> str:
    """A price as the shop's pages have it, or with the currency's code where no typeface here has its sign."""
    text = format_money(price.minor, price.currency, settings.shop_locale)
    return text if face_for(text, 20) is not None else spoken(price.minor, price.currency)


def _picture(settings: Settings, product: ProductView, scale: int) -> Path | None:
    for picture in product.pictures[:1]:
        wide_enough = [width for width in widths_of(picture.width) if width >= PICTURE * scale]
        width = next(iter(wide_enough), widths_of(picture.width)[-1])
        return settings.media_folder / f"{picture.key}-{width}.jpg"
    return None
