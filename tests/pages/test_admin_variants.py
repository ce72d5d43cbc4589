"""The product editor's variants, prices and options."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shop.catalog.editing import live_variants
from shop.catalog.models import Product, Variant
from shop.db import Database
from tests.builders import a_product, variants_of
from tests.support.reader import Page, Reader
from tests.support.staff import a_desk, trail

SENTENCES = ("/products/tee", {}), ("/embed/frame", {"product": "tee"})


@pytest.fixture
def desk(client: FlaskClient, database: Database) -> Reader:
    return a_desk(client, database)


@pytest.fixture
def reader(app: Flask) -> Reader:
    return Reader(app.test_client())


@pytest.fixture
def tee(database: Database) -> Product:
    """On sale in S and M, three of each, for 39 dollars."""
    with database.transaction() as session:
        return a_product(session, "tee", title="Tee", options={"Size": ["S", "M"]}, stock=3, price=3900)


@pytest.fixture
def address(tee: Product) -> str:
    return f"/admin/products/{tee.id}"


def sizes(database: Database, product: Product) -> dict[str, Variant]:
    with database.reading() as session:
        return {variant.title: variant for variant in live_variants(session, product.id)}


def name_of(variant: Variant, field: str) -> str:
    return f"variant-{variant.id}-{field}"


# Prices


def test_a_changed_price_is_seen_by_readers_at_once(
    desk: Reader, reader: Reader, database: Database, tee: Product, address: str
) -> None:
    for place, query in SENTENCES:
        assert "$39.00" in reader.get(place, **query).words
    small = sizes(database, tee)["S"]

    page = desk.send(desk.get(address), f"{address}/variants", **{name_of(small, "price"): "41.50"})

    assert (page.status, page.location) == (303, f"{address}#variants")
    for place, query in SENTENCES:
        assert "$41.50" in reader.get(place, **query).text
    assert {title: v.price_minor for title, v in sizes(database, tee).items()} == {"S": 4150, "M": 3900}
    assert trail(database) == [("product.variants", "product tee", {"variant S: price": ["39.00", "41.50"]})]


def test_one_price_is_given_to_all_variants_that_are_offered(
    desk: Reader, reader: Reader, database: Database, tee: Product, address: str
) -> None:
    desk.send(desk.get(address), f"{address}/options", **{"option-0-values": "S, L"})  # M is retired, with its price
    page = desk.send(desk.get(address), f"{address}/prices", **{"all-price": "45"})
    assert page.status == 303
    for place, query in SENTENCES:
        assert "$45.00" in reader.get(place, **query).words
    with database.reading() as session:
        assert sorted(v.price_minor for v in variants_of(session, tee)) == [3900, 4500, 4500]
    action, subject, changes = trail(database)[-1]
    assert (action, subject) == ("product.variants", "product tee")
    assert changes == {f"variant {size}: price": ["39.00", "45.00"] for size in ("S", "L")}


def test_a_price_for_all_that_is_none_is_said_beside_its_field(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    for typed in ("", "abc", "-1", "1.234", "1000000", "١٢"):
        page = desk.send(desk.get(address), f"{address}/prices", **{"all-price": typed})
        assert page.status == 422, typed
        assert page.beside("all-price")
        assert page.form(f"{address}/prices").fields["all-price"] == typed
    assert {v.price_minor for v in sizes(database, tee).values()} == {3900}


def test_a_product_of_one_variant_has_one_place_for_its_price(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        product_id = a_product(session).id
    page = desk.get(f"/admin/products/{product_id}")
    assert f"/admin/products/{product_id}/prices" not in {form.action for form in page.forms}


def test_nobody_sets_a_price_over_one_that_they_have_not_seen(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    small, medium = (sizes(database, tee)[size] for size in "SM")
    opened = desk.get(address)
    desk.send(desk.get(address), f"{address}/variants", **{name_of(small, "price"): "41"})

    assert desk.send(opened, f"{address}/prices", **{"all-price": "10"}).status == 409
    page = desk.send(opened, f"{address}/variants", **{name_of(medium, "price"): "43"})

    assert page.status == 409
    assert "Price of S, saved meanwhile 41.00" in page.words
    kept = page.form(f"{address}/variants").fields
    assert (kept[name_of(small, "price")], kept[name_of(medium, "price")]) == ("39.00", "43")
    assert {title: v.price_minor for title, v in sizes(database, tee).items()} == {"S": 4100, "M": 3900}

    assert desk.send(page, f"{address}/variants", **{name_of(small, "price"): "41"}).status == 303
    assert {title: v.price_minor for title, v in sizes(database, tee).items()} == {"S": 4100, "M": 4300}


# What else is in a row


BAD_ROWS = [
    ("sku", "", "Write a SKU."),
    ("sku", "has space", "Use letters, digits, hyphens"),
    ("sku", "TAKEN", "Another variant has this SKU already."),
    ("sku", "x" * 65, "At most 64 characters; this has 65."),
    ("price", "", "Write a price."),
    ("price", "free", "Write an amount such as 39.00."),
    ("price", "39,00", "Write the amount with a point"),
    ("weight", "", "Write the weight in grams."),
    ("weight", "1.5", "Write a whole number."),
    ("weight", "-+5", "Write a whole number."),
    ("weight", "-1", "Between 0 and 1,000,000."),
    ("weight", "99999999999", "Between 0 and 1,000,000."),
    ("weight", "1" * 5000, "Write a whole number."),
]


def test_a_bad_value_is_said_beside_its_field_and_nothing_of_the_table_is_saved(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    with database.transaction() as session:
        variants_of(session, a_product(session))[0].sku = "TAKEN"
    small, medium = (sizes(database, tee)[size] for size in "SM")
    page = desk.get(address)
    fine = {name_of(medium, "price"): "50.00", **{name_of(small, f): v for f, v in fields_of(page, small).items()}}
    for field, typed, message in BAD_ROWS:
        name = name_of(small, field)
        page = desk.send(page, f"{address}/variants", **(fine | {name: typed}))
        assert page.status == 422, (field, typed)
        assert message in page.beside(name), (field, typed)
        assert page.all("a", href=f"#{name}"), "the summary at the top leads to the field"
        kept = page.form(f"{address}/variants").fields
        assert (kept[name], kept[name_of(medium, "price")]) == (typed, "50.00")
    assert {v.price_minor for v in sizes(database, tee).values()} == {3900}
    assert trail(database) == []


def fields_of(page: Page, variant: Variant) -> dict[str, str]:
    form = page.form(f"/admin/products/{variant.product_id}/variants")
    return {field: form.fields[name_of(variant, field)] for field in ("sku", "price", "weight")}


def test_each_row_gets_its_own_message(desk: Reader, database: Database, tee: Product, address: str) -> None:
    small, medium = (sizes(database, tee)[size] for size in "SM")
    wrong = {name_of(small, "price"): "x", name_of(medium, "weight"): "y"}
    page = desk.send(desk.get(address), f"{address}/variants", **wrong)
    assert page.beside(name_of(small, "price"))
    assert page.beside(name_of(medium, "weight")) == "Write a whole number."
    assert not page.beside(name_of(medium, "price"))


def test_a_published_product_keeps_something_to_buy(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    opened = desk.get(address)
    for variant in sizes(database, tee).values():  # an unticked box sends nothing
        del opened.form(f"{address}/variants").fields[name_of(variant, "active")]
    page = desk.send(opened, f"{address}/variants")
    assert page.status == 422
    first = sizes(database, tee)["S"]
    assert "keeps at least one variant on sale" in page.beside(name_of(first, "active"))
    assert all(variant.active for variant in sizes(database, tee).values())


def test_a_size_taken_off_sale_is_gone_for_readers(
    desk: Reader, reader: Reader, database: Database, tee: Product, address: str
) -> None:
    opened = desk.get(address)
    del opened.form(f"{address}/variants").fields[name_of(sizes(database, tee)["M"], "active")]
    assert desk.send(opened, f"{address}/variants").status == 303
    for place, query in SENTENCES:
        page = reader.get(place, **query)
        assert "S" in page.words
        assert "M sold out" not in page.words
    assert trail(database)[-1][2] == {"variant M: on sale": [True, False]}


def test_a_row_of_another_product_is_not_changed_along(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    with database.transaction() as session:
        other = a_product(session)
        [theirs] = variants_of(session, other)
    page = desk.send(
        desk.get(address), f"{address}/variants", **{name_of(theirs, f): "1" for f in ("sku", "price", "weight")}
    )
    assert page.status == 303
    with database.reading() as session:
        assert session.get_one(Variant, theirs.id).price_minor == 3900


# Options


def test_a_further_size_and_a_colour_are_offered_at_once(
    desk: Reader, reader: Reader, database: Database, tee: Product, address: str
) -> None:
    typed = {"option-0-values": "S, M, L", "option-1-name": "Colour", "option-1-values": "Black,White"}
    page = desk.send(desk.get(address), f"{address}/options", **typed)
    assert (page.status, page.location) == (303, f"{address}#variants")
    assert list(sizes(database, tee)) == [f"{size} / {colour}" for size in "SML" for colour in ("Black", "White")]
    for place, query in SENTENCES:
        words = reader.get(place, **query).words
        assert "Colour" in words
        assert "White" in words
    assert trail(database)[-1][2]["option Colour"] == [None, "Black, White"]


def test_options_that_make_no_sense_say_why_and_keep_what_was_typed(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    bad = [
        ({"option-0-values": "S, s"}, "Size names a choice twice."),
        ({"option-0-values": " , "}, "Write the choices of Size"),
        ({"option-1-values": "Black"}, "Write the option's name, such as Size."),
        ({"option-1-name": "size", "option-1-values": "Black"}, "There are two options named size."),
        ({"option-0-values": "x" * 41}, "At most 40 characters"),
        ({"option-0-values": ",".join(map(str, range(101)))}, "This makes 101 variants; a product has at most 100."),
        ({"option-0-name": "nul\x00"}, "Use plain text on one line."),
    ]
    for typed, message in bad:
        page = desk.send(desk.get(address), f"{address}/options", **typed)
        assert page.status == 422, typed
        for name, value in typed.items():
            assert message in page.beside(name)
            assert page.form(f"{address}/options").fields[name] == value
    assert list(sizes(database, tee)) == ["S", "M"]
    assert trail(database) == []


def test_a_size_that_was_taken_away_stays_in_sight_with_its_stock(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    desk.send(desk.get(address), f"{address}/options", **{"option-0-values": "S"})
    page = desk.get(address)
    assert "1 retired variant" in page.words
    assert "3 on hand" in page.words
    desk.send(page, f"{address}/options", **{"option-0-values": "S, M"})
    assert sizes(database, tee)["M"].on_hand == 3


def test_nobody_changes_options_that_somebody_else_has_changed(
    desk: Reader, database: Database, tee: Product, address: str
) -> None:
    opened = desk.get(address)
    desk.send(desk.get(address), f"{address}/options", **{"option-0-values": "S, M, L"})
    page = desk.send(opened, f"{address}/options", **{"option-0-values": "XS, S, M"})
    assert page.status == 409
    assert "saved meanwhile S, M, L" in page.words
    assert page.form(f"{address}/options").fields["option-0-values"] == "XS, S, M"
    assert list(sizes(database, tee)) == ["S", "M", "L"]
