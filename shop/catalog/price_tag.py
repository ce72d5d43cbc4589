"""A price as it was on a day, signed by the shop.

A letter to readers is printed once and opened for weeks, so the picture in it names the price of the day on which it was sent.
That price stands in the picture's address. If anybody could write one there, the shop would print any price under its own name
for whoever asks; so the shop signs it when the letter is made, and what it has not signed it does not print.
"""

from dataclasses import dataclass
from datetime import date

from itsdangerous import BadData, URLSafeSerializer

from shop.catalog.showcase import ProductView
from shop.money import Money

LONGEST_TAG = 300


@dataclass(frozen=True, slots=True)
class PriceTag:
    """The lowest price of the product with the address `slug`, on `day`; `is_lowest` when others of its variants cost more."""

    slug: str
    price: Money
    is_lowest: bool
    day: date | None


def tag_of(product: ProductView, day: date | None = None) -> PriceTag:
    """What `product` costs now; to be signed for a letter of `day`."""
    return PriceTag(product.slug, product.price_from, not product.has_one_price, day)


class PriceTags:
    """Signs price tags and reads them. `keys` are the newest first; all of them verify."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._serializer = URLSafeSerializer(list(reversed(keys)), salt="price-tag-1")

    def sign(self, product: ProductView, day: date) -> str:
        """The text that stands for today's price in a letter of `day`."""
        tag = tag_of(product)
        return str(
            self._serializer.dumps([tag.slug, tag.price.minor, tag.price.currency, int(tag.is_lowest), day.toordinal()])
        )

    def read(self, text: str) -> PriceTag | None:
        """The price in a text; None for what the shop has not signed."""
        if not text or len(text) > LONGEST_TAG:
            return None
        try:
            slug, minor, currency, is_lowest, day = self._serializer.loads(text)
        except (BadData, ValueError, TypeError):
            return None
        return PriceTag(slug, Money(minor, currency), bool(is_lowest), date.fromordinal(day))
