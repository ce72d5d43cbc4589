"""What the shop tells machines of all that it sells: Google Merchant Center's feed, the sitemaps, and robots.txt.

The long ones are sent as they are read, a batch at a time: a hundred thousand products take no more memory than a hundred. If
the database goes away in between, the answer breaks off; nobody takes half of it for the whole, since it is not well-formed.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain

from flask import Response, abort

from shop.catalog.listing import Listed, ListedVariant, each_in_file, each_on_sale, files_on_sale
from shop.catalog.pictures import widths_of
from shop.catalog.showcase import PictureView
from shop.catalog.text import plain
from shop.config import Settings
from shop.money import decimal_text
from shop.web import xml
from shop.web.embed.keeping import keep
from shop.web.house import house
from shop.web.limits import limiter
from shop.web.pages import media_url

HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
# Lengths that Google takes (support.google.com/merchants/answer/7052112).
MOST_TITLE, MOST_DESCRIPTION, MOST_MORE_PICTURES, MOST_VALUE = 150, 5000, 10, 100
# What an option must be called to be one of Google's own attributes, in the languages that the shop speaks.
ATTRIBUTES = {
    "color": re.compile(r"colou?rs?|warna|颜色|顏色|நிறம்", re.IGNORECASE),
    "size": re.compile(r"sizes?|saiz|尺码|尺寸|அளவு", re.IGNORECASE),
    "material": re.compile(r"materials?|bahan|材质|பொருள்", re.IGNORECASE),
    "pattern": re.compile(r"patterns?|corak|图案|வடிவம்", re.IGNORECASE),
}
# Where there is nothing to find: carts, payment, orders, staff. Frames belong to the stories around them; the pictures in
# newsletters do not.
ROBOTS = """\
User-agent: *
Allow: /embed/card/
Disallow: /admin
Disallow: /cart
Disallow: /checkout
Disallow: /embed/
Disallow: /orders/
Disallow: /webhooks/

Sitemap: {shop_url}/sitemap.xml
"""


@limiter.limit("20/minute")
def merchant_feed() -> Response:
    """GET /feeds/products.xml: each variant of each product on sale, as RSS 2.0 with Google's attributes."""
    settings = house().settings
    channel = (
        f'{HEAD}<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">\n<channel>\n'
        f"{xml.element('title', settings.shop_name)}{xml.element('link', settings.shop_url)}"
        f"{xml.element('description', f'Everything that {settings.shop_name} sells.')}\n"
    )
    items = (item for product in each_on_sale(house().database.engine) for item in _items(settings, product))
    return _sent(channel, items, "</channel>\n</rss>\n")


def sitemap_index() -> Response:
    """GET /sitemap.xml: the sitemaps of the products, which hold at most 10,000 each. One statement."""
    shop_url = house().settings.shop_url
    with house().database.engine.connect() as connection:
        files = files_on_sale(connection)
    entries = (
        f"<sitemap>{xml.element('loc', f'{shop_url}/sitemaps/products-{number}.xml')}"
        f"{xml.element('lastmod', changed.isoformat(timespec='seconds'))}</sitemap>\n"
        for number, changed in files
    )
    return _sent(
        f'{HEAD}<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"<sitemap>{xml.element('loc', f'{shop_url}/sitemaps/shop.xml')}</sitemap>\n",
        entries,
        "</sitemapindex>\n",
    )


@limiter.limit("60/minute")
def sitemap(name: str) -> Response:
    """GET /sitemaps/shop.xml: the shop's own page; /sitemaps/products-<number>.xml: products, with their pictures."""
    settings = house().settings
    found = re.fullmatch(r"shop|products-(\d{1,6})", name, re.ASCII)
    if found is None:
        abort(404)
    if found[1] is None:
        entries: Iterable[str] = [f"<url>{xml.element('loc', f'{settings.shop_url}/')}</url>\n"]
    else:
        products = each_in_file(house().database.engine, int(found[1]))
        first = next(products, None)
        if first is None:  # a sitemap names something
            abort(404)
        entries = map(partial(_url, settings), chain([first], products))
    return _sent(
        f'{HEAD}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">\n',
        entries,
        "</urlset>\n",
    )


def robots() -> Response:
    """GET /robots.txt"""
    text = ROBOTS.format(shop_url=house().settings.shop_url)
    return keep(Response(text, mimetype="text/plain"))


def _sent(head: str, parts: Iterable[str], tail: str) -> Response:
    def pieces() -> Iterator[str]:
        yield head
        # In pieces of some size: a server spends as much on a small one.
        held: list[str] = []
        for part in parts:
            held.append(part)
            if len(held) >= 100:
                yield "".join(held)
                held.clear()
        yield "".join([*held, tail])

    return keep(Response(pieces(), mimetype="application/xml"), ["catalogue"])


def _url(settings: Settings, product: Listed) -> str:
    pictures = "".join(
        f"<image:image>{xml.element('image:loc', _picture(settings, picture))}</image:image>"
        for picture in product.pictures
    )
    return (
        f"<url>{xml.element('loc', f'{settings.shop_url}/products/{product.slug}')}"
        f"{xml.element('lastmod', product.updated_at.isoformat(timespec='seconds'))}{pictures}</url>\n"
    )


def _items(settings: Settings, product: Listed) -> Iterator[str]:
    page = f"{settings.shop_url}/products/{product.slug}"
    alone = len(product.variants) == 1
    words = plain(product.description_html, MOST_DESCRIPTION) or product.tagline or product.title
    for variant in product.variants:
        shots = _shots(product, variant)
        title = product.title if alone or not variant.title else f"{product.title}, {variant.title}"
        yield "".join(
            [
                "<item>",
                # A SKU may be renamed; Google asks that an id never is.
                xml.element("g:id", variant.id),
                xml.element("g:title", title[:MOST_TITLE]),
                xml.element("g:description", words),
                xml.element("g:link", page if alone else f"{page}?variant={variant.id}"),
                *(xml.element("g:image_link", _picture(settings, picture)) for picture in shots[:1]),
                *(xml.element("g:additional_image_link", _picture(settings, picture)) for picture in shots[1:]),
                xml.element("g:availability", "in_stock" if variant.available > 0 else "out_of_stock"),
                xml.element(
                    "g:price",
                    f"{decimal_text(variant.price_minor, product.currency)} {product.currency.upper()}",
                ),
                xml.element("g:condition", "new"),
                xml.element("g:brand", settings.shop_name),
                xml.element("g:mpn", variant.sku),
                "" if alone else xml.element("g:item_group_id", product.id),
                *_attributes(variant),
                "</item>\n",
            ]
        )


def _attributes(variant: ListedVariant) -> Iterator[str]:
    taken: set[str] = set()
    for option, value in variant.options:
        for name, called in ATTRIBUTES.items():
            if name not in taken and called.fullmatch(option.strip()):
                taken.add(name)
                yield xml.element(f"g:{name}", value[:MOST_VALUE])


def _shots(product: Listed, variant: ListedVariant) -> list[PictureView]:
    """The variant's own picture first, and none that shows another choice."""
    fitting = [p for p in product.pictures if p.value_id is None or p.value_id in variant.value_ids]
    fitting.sort(key=lambda picture: picture.value_id is None)
    return (fitting or list(product.pictures))[: MOST_MORE_PICTURES + 1]


def _picture(settings: Settings, picture: PictureView) -> str:
    return settings.shop_url + media_url(picture.key, widths_of(picture.width)[-1])
