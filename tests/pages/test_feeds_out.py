"""What machines read of all that the shop sells: Google Merchant Center's feed, the sitemaps, robots.txt."""

import re
import tracemalloc
from datetime import timedelta
from typing import Any
from urllib.robotparser import RobotFileParser
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

from shop.catalog import listing, stock
from shop.catalog.models import OptionValue, Product, ProductImage, Variant
from shop.db import Database, now
from shop.money import parse_amount
from tests.builders import a_product, variants_of
from tests.support.statements import statements

SHOP = "http://localhost"
G = "{http://base.google.com/ns/1.0}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
IMAGE = "{http://www.google.com/schemas/sitemap-image/1.1}"
# Control characters, what is no character at all, and what XML has a meaning for.
NASTY = "\x00\x01\x0b\x1f\x7f\ufffe\uffff<b>&amp;]]>\"'"


def items(client: FlaskClient) -> list[dict[str, Any]]:
    """What the feed says of each variant; of what it says several times, a list."""
    answer = client.get("/feeds/products.xml")
    assert answer.status_code == 200
    assert answer.mimetype == "application/xml"
    root = ET.fromstring(answer.data)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    (channel,) = root
    found = []
    for item in channel.iter("item"):
        said: dict[str, Any] = {}
        for child in item:
            name = child.tag.removeprefix(G)
            assert name != child.tag, f"{name} is none of Google's"
            if name == "additional_image_link":
                said.setdefault(name, []).append(child.text)
            else:
                assert name not in said
                said[name] = child.text
        found.append(said)
    return found


def locations(client: FlaskClient, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200
    return [str(at.text) for at in ET.fromstring(answer.data).iter(f"{MAP}loc")]


def test_each_variant_is_an_item_with_what_google_asks_for(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(
            session, "tee", title="Trump-Kim tee", options={"Size": ["S", "M"], "Colour": ["Black"]}, stock=2
        )
        session.add(ProductImage(product_id=product.id, key="ab" * 16, alt="A tee", width=1600, height=1200))
        small, medium = variants_of(session, product)
        stock.adjust(session, medium.id, -2, "lost", "tests")
        product_id, ids, skus = product.id, [small.id, medium.id], [small.sku, medium.sku]
    found = items(client)
    assert found[0] == {
        "id": str(ids[0]),
        "title": "Trump-Kim tee, S / Black",
        "description": "Made well.",
        "link": f"{SHOP}/products/tee?variant={ids[0]}",
        "image_link": f"{SHOP}/media/{'ab' * 16}-1280.jpg",
        "availability": "in_stock",
        "price": "39.00 SGD",
        "condition": "new",
        "brand": "Understory",
        "mpn": skus[0],
        "item_group_id": str(product_id),
        "size": "S",
        "color": "Black",
    }
    assert (found[1]["size"], found[1]["availability"]) == ("M", "out_of_stock")
    assert client.get(found[1]["link"].removeprefix(SHOP)).status_code == 200


def test_a_product_of_one_variant_is_no_group(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "mug", title="Mug")
    (mug,) = items(client)
    assert "item_group_id" not in mug
    assert (mug["title"], mug["link"]) == ("Mug", f"{SHOP}/products/mug")
    assert "image_link" not in mug


def test_every_price_and_stock_is_that_of_the_database(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, currency="jpy", price=500)
        a_product(session, options={"Size": ["S", "M"]}, stock=0)
        a_product(session, price=1)
        taken = variants_of(session, a_product(session, stock=1))[0]
        stock.reserve(session, {taken.id: 1})
    with database.reading() as session:
        rows = session.execute(
            select(Variant.id, Variant.price_minor, Product.currency, Variant.on_hand - Variant.reserved).join(Product)
        ).all()
    expected = {str(row[0]): (row[1], row[2], row[3] > 0) for row in rows}
    said = {}
    for item in items(client):
        amount, currency = item["price"].split(" ")
        said[item["id"]] = (parse_amount(amount, currency), currency.lower(), item["availability"] == "in_stock")
    assert said == expected
    assert next(item["price"] for item in items(client)) == "500 JPY"


def test_only_what_is_on_sale_is_listed(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "here")
        a_product(session, "draft", status="draft")
        a_product(session, "archived", status="archived")
        a_product(session, "soon", publish_at=now() + timedelta(hours=1))
        a_product(session, "over", unpublish_at=now() - timedelta(hours=1))
        bare = a_product(session, "bare")
        session.execute(update(Variant).where(Variant.product_id == bare.id).values(active=False))
        half = a_product(session, "half", options={"Size": ["S", "M"]})
        session.execute(update(Variant).where(Variant.id == variants_of(session, half)[0].id).values(active=False))
    assert [item["link"].partition("?")[0] for item in items(client)] == [
        f"{SHOP}/products/here",
        f"{SHOP}/products/half",
    ]
    assert locations(client, "/sitemaps/products-0.xml") == [f"{SHOP}/products/here", f"{SHOP}/products/half"]


@pytest.mark.parametrize(
    ("option", "attribute"),
    [("Size", "size"), ("SIZES", "size"), ("Saiz", "size"), ("尺码", "size"), ("Color", "color"), ("colour", "color")],
)
def test_an_option_that_is_called_like_one_of_googles_attributes_is_it(
    client: FlaskClient, database: Database, option: str, attribute: str
) -> None:
    with database.transaction() as session:
        a_product(session, options={option: ["One", "Two"], "Wrapping": ["Paper"]})
    assert [item[attribute] for item in items(client)] == ["One", "Two"]
    assert not {"wrapping", "Wrapping"} & set(items(client)[0])


def test_a_variants_own_picture_comes_first_and_another_colours_not_at_all(
    client: FlaskClient, database: Database
) -> None:
    with database.transaction() as session:
        product = a_product(session, options={"Colour": ["Black", "White"]})
        values = {value.value: value.id for value in session.scalars(select(OptionValue))}
        for position, (key, value) in enumerate([("a", None), ("b", "Black"), ("c", "White")]):
            session.add(
                ProductImage(
                    product_id=product.id,
                    key=key * 32,
                    alt=key,
                    width=640,
                    height=640,
                    position=position,
                    value_id=values.get(value or ""),
                )
            )
    keys = [
        [re.sub(r".*/(\w).*", r"\1", link) for link in (item["image_link"], *item["additional_image_link"])]
        for item in items(client)
    ]
    assert keys == [["b", "a"], ["c", "a"]]


def test_whatever_staff_have_typed_the_lists_are_well_formed(
    app: Flask, client: FlaskClient, database: Database
) -> None:
    # PostgreSQL takes no NUL; what it does take must come through.
    nasty = NASTY if database.is_sqlite else NASTY[1:]
    app.extensions["understory"].settings.__dict__["shop_name"] = f"The Shop {nasty}"
    with database.transaction() as session:
        product = a_product(
            session, "odd", title=f"Odd {nasty}", tagline=nasty, options={"Size": [f"M {nasty}", "L" * 40]}
        )
        session.execute(
            update(Product).where(Product.id == product.id).values(description_html=f"<p>Words {nasty} &lt;3 &amp;</p>")
        )
        session.add(ProductImage(product_id=product.id, key="a" * 32, alt=nasty, width=640, height=640))
    first, _ = items(client)
    assert first["title"].startswith("Odd ")
    assert "<b>&amp;]]>\"'" in first["title"]
    assert first["size"].startswith("M ")
    assert "<3 &" in first["description"]
    assert "\x0b" not in first["title"]
    assert locations(client, "/sitemaps/products-0.xml") == [f"{SHOP}/products/odd"]


def test_long_words_are_cut_where_google_cuts_them(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, title="T" * 140, options={"Size": ["S" * 40, "M"]})
        html = "<p>" + "word " * 4000 + "</p>"
        session.execute(update(Product).where(Product.id == product.id).values(description_html=html))
    first, _ = items(client)
    assert len(first["title"]) == 150
    assert 4900 < len(first["description"]) <= 5000
    assert first["description"].endswith("word")


def test_an_empty_shop_has_lists_without_anything_in_them(client: FlaskClient) -> None:
    assert items(client) == []
    assert locations(client, "/sitemap.xml") == [f"{SHOP}/sitemaps/shop.xml"]
    assert locations(client, "/sitemaps/shop.xml") == [f"{SHOP}/"]


# Sitemaps


def test_the_index_names_each_sitemap_and_each_names_its_products_once(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        slugs = [a_product(session, with_image=number % 2 == 0).slug for number in range(7)]
        session.execute(update(Product).values(updated_at=now() - timedelta(days=2)))
        moved = session.scalars(select(Product).where(Product.slug == slugs[-1])).one()
        size = moved.id // 2 + 1
        changed = moved.updated_at = now().replace(microsecond=0)
    monkeypatch.setattr(listing, "IDS_A_FILE", size)
    monkeypatch.setattr(listing, "BATCH", 2)
    index = client.get("/sitemap.xml")
    named = [
        (str(at.findtext(f"{MAP}loc")), at.findtext(f"{MAP}lastmod"))
        for at in ET.fromstring(index.data).iter(f"{MAP}sitemap")
    ]
    assert len(named) == 3
    assert named[-1][1] == changed.isoformat(timespec="seconds")
    pages = [at for url, _ in named for at in locations(client, url.removeprefix(SHOP))]
    assert pages == [f"{SHOP}/", *(f"{SHOP}/products/{slug}" for slug in slugs)]


def test_a_sitemap_says_when_a_page_changed_and_what_pictures_it_has(client: FlaskClient, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "mug")
        product.updated_at = now().replace(year=2020)
        for key in "ab":
            session.add(ProductImage(product_id=product.id, key=key * 32, alt=key, width=640, height=640))
    (url,) = ET.fromstring(client.get("/sitemaps/products-0.xml").data)
    assert str(url.findtext(f"{MAP}lastmod")).startswith("2020-")
    assert [at.text for at in url.iter(f"{IMAGE}loc")] == [f"{SHOP}/media/{key * 32}-640.jpg" for key in "ab"]


@pytest.mark.parametrize(
    "name", ["products-7", "products-", "products--1", "products-1234567", "products-٣", "nothing", "shop.xml", "..%2f"]
)
def test_a_sitemap_that_is_none_is_not_found(client: FlaskClient, name: str) -> None:
    assert client.get(f"/sitemaps/{name}.xml").status_code == 404


def test_no_sitemap_can_hold_more_than_the_standard_allows() -> None:
    # 50,000 addresses and 50 MB. Each product may have twenty pictures, and an address some 150 characters.
    assert listing.IDS_A_FILE + 1 <= 50_000
    assert listing.IDS_A_FILE * (300 + 20 * 200) < 50_000_000


# robots.txt


def test_robots_are_told_what_is_not_worth_reading_and_where_the_sitemap_is(client: FlaskClient) -> None:
    answer = client.get("/robots.txt")
    assert answer.mimetype == "text/plain"
    parser = RobotFileParser()
    parser.parse(answer.text.splitlines())
    assert parser.site_maps() == [f"{SHOP}/sitemap.xml"]
    for path in ("/", "/?after=1.2", "/products/mug", "/media/x-320.jpg", "/static/shop.css", "/embed.js"):
        assert parser.can_fetch("Googlebot", SHOP + path), path
    for path in ("/sitemap.xml", "/sitemaps/shop.xml", "/feeds/products.xml", "/oembed?url=x", "/embed/card/mug.png"):
        assert parser.can_fetch("Googlebot", SHOP + path), path
    for path in ("/cart", "/checkout", "/orders/abc", "/admin/", "/embed/frame?product=mug", "/webhooks/stripe"):
        assert not parser.can_fetch("Googlebot", SHOP + path), path


# However much there is


@pytest.fixture
def many(database: Database) -> int:
    """As many products as make several batches."""
    count = 3 * listing.BATCH - 10
    with database.transaction() as session:
        session.execute(
            insert(Product),
            [
                {
                    "slug": f"p-{n}",
                    "title": f"Product {n}",
                    "currency": "sgd",
                    "status": "active",
                    "description_html": "<p>x</p>",
                }
                for n in range(count)
            ],
        )
        ids = session.scalars(select(Product.id)).all()
        session.execute(
            insert(Variant), [{"product_id": id_, "sku": f"S-{id_}", "price_minor": 100, "on_hand": 0} for id_ in ids]
        )
        session.execute(
            insert(ProductImage),
            [{"product_id": id_, "key": f"{id_:032x}", "alt": "x", "width": 640, "height": 640} for id_ in ids],
        )
    return count


def test_a_feed_takes_few_statements_and_names_everything_once(app: Flask, client: FlaskClient, many: int) -> None:
    with statements(app.extensions["understory"].database.engine) as sent:
        found = items(client)
    assert len({item["id"] for item in found}) == len(found) == many
    assert len(sent) == 3 * 4


def test_a_sitemap_takes_few_statements_and_names_everything_once(app: Flask, client: FlaskClient, many: int) -> None:
    with statements(app.extensions["understory"].database.engine) as sent:
        found = locations(client, "/sitemaps/products-0.xml")
    assert len(set(found)) == len(found) == many
    assert len(sent) == 3 * 2


def test_a_feed_is_sent_as_it_is_read_so_that_it_never_lies_in_memory_as_a_whole(app: Flask, many: int) -> None:
    def most_memory_of(batches: int) -> int:
        answer = app.test_client().get("/feeds/products.xml", buffered=False)
        pieces = iter(answer.response)
        tracemalloc.start()
        for _ in range(batches * listing.BATCH // 100):
            next(pieces)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        answer.close()
        return peak

    most_memory_of(1)  # what is compiled and cached the first time
    # While one batch is read, the one before it is still there; a third is not.
    assert most_memory_of(3) < 1.2 * most_memory_of(2)


def test_a_reader_who_stops_in_the_middle_leaves_no_connection_open(app: Flask, many: int) -> None:
    pool = app.extensions["understory"].database.engine.pool
    before = pool.checkedout()
    answer = app.test_client().get("/feeds/products.xml", buffered=False)
    next(iter(answer.response))
    assert pool.checkedout() == before
    answer.close()


def test_who_asks_for_the_long_lists_all_the_time_is_asked_to_wait(client: FlaskClient) -> None:
    for path, most in (("/feeds/products.xml", 20), ("/sitemaps/shop.xml", 60)):
        statuses = [client.get(path).status_code for _ in range(most + 1)]
        assert statuses == [200] * most + [429], path
