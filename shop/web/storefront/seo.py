"""What search engines, and sites to which somebody posts a link, read in a product's page: schema.org and Open Graph.

Prices and stock are those of the view that the page itself is made from, so the two cannot differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shop.catalog.pictures import height_of, widths_of
from shop.catalog.showcase import PictureView, ProductView, VariantView
from shop.catalog.text import plain
from shop.config import Settings
from shop.money import decimal_text
from shop.web.pages import media_url

SCHEMA = "https://schema.org"
NEW = f"{SCHEMA}/NewCondition"
# Beyond it nobody shows a description.
MOST_WORDS = 5000


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture as other sites load it: absolute, in its largest size."""

    url: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the head of a product's page holds for others: a line of words, the first picture if there is one, schema.org."""

    words: str
    shots: tuple[Shot, ...]
    data: Mapping[str, Any]


def found(settings: Settings, product: ProductView) -> Found:
    """What others are to find in the head of `product`'s page."""
    shots = tuple(shot(settings, picture) for picture in product.pictures[:1])
    return Found(
        product.tagline or plain(product.description_html, 200) or product.title, shots, structured(settings, product)
    )


def page_address(settings: Settings, product: ProductView) -> str:
    """The one address under which a product's page is known."""
    return f"{settings.shop_url}/products/{product.slug}"


def shot(settings: Settings, picture: PictureView) -> Shot:
    """`picture` in its largest size."""
    width = widths_of(picture.width)[-1]
    height = height_of(picture.width, picture.height, width)
    return Shot(settings.shop_url + media_url(picture.key, width), width, height, picture.alt)


def described(product: ProductView) -> str:
    """The product in plain words, for where only words can stand: its description, else its tagline, else its name."""
    return plain(product.description_html, MOST_WORDS) or product.tagline or product.title


def structured(settings: Settings, product: ProductView) -> Mapping[str, Any]:
    """The product as schema.org's Product with its Offer; with several variants as an AggregateOffer that holds one for each."""
    offers = [_offer(settings, product, variant) for variant in product.variants]
    found: dict[str, Any] = {
        "@context": SCHEMA,
        "@type": "Product",
        "@id": page_address(settings, product),
        "name": product.title,
        "description": described(product),
        "url": page_address(settings, product),
        "image": [shot(settings, picture).url for picture in product.pictures],
        "brand": {"@type": "Brand", "name": settings.shop_name},
        "itemCondition": NEW,
    }
    if len(offers) == 1:
        return found | {"sku": product.variants[0].sku, "offers": offers[0]}
    prices = [variant.price_minor for variant in product.variants]
    aggregate = {
        "@type": "AggregateOffer",
        "url": page_address(settings, product),
        "priceCurrency": product.currency.upper(),
        "lowPrice": decimal_text(min(prices), product.currency),
        "highPrice": decimal_text(max(prices), product.currency),
        "offerCount": len(offers),
        "availability": _availability(not product.sold_out),
        "itemCondition": NEW,
        "offers": offers,
    }
    return found | {"offers": aggregate}


def _offer(settings: Settings, product: ProductView, variant: VariantView) -> dict[str, Any]:
    alone = len(product.variants) == 1
    return {
        "@type": "Offer",
        "name": f"{product.title}, {variant.title}" if variant.title else product.title,
        "sku": variant.sku,
        "url": page_address(settings, product) + ("" if alone else f"?variant={variant.id}"),
        "priceCurrency": product.currency.upper(),
        "price": decimal_text(variant.price_minor, product.currency),
        "availability": _availability(variant.available > 0),
        "itemCondition": NEW,
        "seller": {"@type": "Organization", "name": settings.shop_name, "url": settings.shop_url},
    }


def _availability(is_there: bool) -> str:
    return f"{SCHEMA}/{'InStock' if is_there else 'OutOfStock'}"
