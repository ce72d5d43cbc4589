"""A variant's stock: the ledger, and the form that adds a line to it, with its reason."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from shop.catalog import stock
from shop.catalog.models import StockMovement, Variant
from shop.db import Database
from tests.builders import a_product, a_variant, variants_of
from tests.support.reader import Page, Reader
from tests.support.serving import eventually
from tests.support.staff import a_desk, trail
from tests.support.statements import statements


@pytest.fixture
def desk(client: FlaskClient, database: Database) -> Reader:
    return a_desk(client, database)


@pytest.fixture
def variant(database: Database) -> Variant:
    """Three pieces of a tee, one of them promised."""
    with database.transaction() as session:
        [variant] = variants_of(session, a_product(session, "tee", title="Tee", stock=3))
        variant.sku, variant.reserved = "TEE", 1
        return variant


@pytest.fixture
def address(variant: Variant) -> str:
    return f"/admin/variants/{variant.id}/stock"


def on_hand(database: Database, variant: Variant) -> int:
    with database.reading() as session:
        return session.get_one(Variant, variant.id).on_hand


def test_pieces_come_in_with_their_reason(desk: Reader, database: Database, variant: Variant, address: str) -> None:
    opened = desk.get(address)
    assert "3 on hand 1 promised 2 left to sell" in opened.words
    page = desk.send(opened, address, pieces="+10", kind="receive", reason=" Delivery note 17 ")
    assert (page.status, page.location) == (303, address)
    words = desk.follow(page).words
    assert "13 on hand now." in words
    assert "Received · Delivery note 17 · desk@example.com" in words
    assert on_hand(database, variant) == 13
    with database.reading() as session:
        line = session.scalars(select(StockMovement).order_by(StockMovement.id.desc())).first()
    assert line is not None
    assert (line.pieces, line.kind, line.reason, line.actor) == (10, "receive", "Delivery note 17", "desk@example.com")
    assert trail(database) == [
        ("stock.adjust", "variant TEE", {"on hand": [3, 13], "reason": [None, "Delivery note 17"]})
    ]


def test_a_corrected_count_is_seen_in_the_shop_at_once_and_under_a_story_soon(
    app: Flask, desk: Reader, database: Database, variant: Variant, address: str
) -> None:
    reader = Reader(app.test_client())
    soon = {"/products/tee": 0.0, "/embed/frame": 4.0}
    places = ("/products/tee", {}), ("/embed/frame", {"product": "tee"})
    for place, query in places:
        assert "Sold out" not in reader.get(place, **query).words
    desk.send(desk.get(address), address, pieces="-2", kind="adjust", reason="Two were stained")
    for place, query in places:
        eventually(lambda place=place, query=query: "Sold out" in reader.get(place, **query).words, within=soon[place])
    desk.send(desk.get(address), address, pieces="1", kind="adjust", reason="One was found")
    for place, query in places:
        eventually(
            lambda place=place, query=query: "Sold out" not in reader.get(place, **query).words, within=soon[place]
        )


def test_a_bad_value_is_said_beside_its_field_and_nothing_moves(
    desk: Reader, database: Database, variant: Variant, address: str
) -> None:
    bad = [
        ("pieces", "", "Write by how many pieces the stock changes, such as 10 or -2."),
        ("pieces", "0", "Write by how many pieces the stock changes, such as 10 or -2."),
        ("pieces", "ten", "Write a whole number."),
        ("pieces", "1.5", "Write a whole number."),
        ("pieces", "-+5", "Write a whole number."),
        ("pieces", "1_0", "Write a whole number."),
        ("pieces", "9" * 12, "Write a whole number."),
        ("pieces", "99999999999", "At most a million pieces at once."),
        ("pieces", "-3", "At most 2 can go: 3 are on hand, 1 of them promised to open orders."),
        ("kind", "steal", "Choose one of the list."),
        ("reason", "", "Say why, so that the ledger can be understood later."),
        ("reason", "  ", "Say why, so that the ledger can be understood later."),
        ("reason", "r" * 201, "longer than 200 characters"),
        ("reason", "two\nlines", "Use plain text on one line."),
        ("reason", "nul\x00", "Use plain text on one line."),
    ]
    page = desk.get(address)
    fine = {"pieces": "2", "kind": "adjust", "reason": "Found behind a shelf"}
    for field, typed, message in bad:
        page = desk.send(page, address, **(fine | {field: typed}))
        assert page.status == 422, (field, typed)
        assert message in page.beside(field), (field, typed)
        assert page.all("a", href=f"#{field}")
        kept = page.form(address).fields
        expected = fine | {field: typed}
        if field == "kind":  # a list shows only what is on it
            expected["kind"] = "receive"
        assert {name: kept[name] for name in fine} == expected
    assert on_hand(database, variant) == 3
    assert trail(database) == []


def test_the_stock_does_not_grow_beyond_what_a_database_can_count(
    desk: Reader, database: Database, variant: Variant, address: str
) -> None:
    with database.transaction() as session:
        session.get_one(Variant, variant.id).on_hand = stock.MOST_ON_HAND - 999_999
    page = desk.send(desk.get(address), address, pieces="1000000", kind="receive", reason="A great delivery")
    assert page.status == 422
    assert page.beside("pieces")
    assert on_hand(database, variant) == stock.MOST_ON_HAND - 999_999


def test_a_long_ledger_has_earlier_pages_whose_counts_go_on(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        variant = a_variant(session, stock=0)
        for number in range(1, 61):
            stock.adjust(session, variant.id, number, f"Delivery {number}", "tests", kind="receive")
    address = f"/admin/variants/{variant.id}/stock"
    newest = desk.get(address)
    assert "Delivery 60 · tests +60 1830" in spaced(newest)
    assert "Delivery 10 ·" not in spaced(newest)
    earlier = Page(desk.client.get(newest.all("a", rel="next")[0]["href"]))
    assert "Delivery 10 · tests +10 55" in spaced(earlier)
    assert earlier.all("a", rel="next") == []
    for nonsense in ("x", "-1", "9" * 40, "1.5", "\x00"):
        assert "Delivery 60 ·" in spaced(desk.get(address, before=nonsense))


def spaced(page: Page) -> str:
    """The page's words with a space between one cell and the next."""
    return page.words.replace("+", " +").replace("  ", " ")


def test_a_ledgers_page_takes_six_statements_at_most(app: Flask, desk: Reader, address: str) -> None:
    with statements(app.extensions["understory"].database.engine) as sent:
        desk.get(address, before="1000000")
    assert len(sent) <= 6, sent


def test_a_variant_that_is_not_there_has_no_ledger(desk: Reader) -> None:
    token = desk.get("/admin/products/new").form("/admin/products").fields["csrf_token"]
    for variant_id in ("999", "99999999999999999999", "x"):
        assert desk.get(f"/admin/variants/{variant_id}/stock").status == 404
    fine = {"csrf_token": token, "pieces": "1", "kind": "adjust", "reason": "Found"}
    assert desk.client.post("/admin/variants/999/stock", data=fine).status_code == 404


def test_a_packer_looks_at_the_ledger_and_cannot_write_into_it(
    client: FlaskClient, database: Database, variant: Variant, address: str
) -> None:
    desk = a_desk(client, database, "packer")
    page = desk.get(address)
    assert page.status == 200
    assert address not in {form.action for form in page.forms}
