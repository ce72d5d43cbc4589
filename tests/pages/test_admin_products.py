"""The list of products, a new one, and its texts, times and status: what staff change, readers see at once."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from shop.app import create_app
from shop.catalog.models import Product, Variant
from shop.config import Settings
from shop.db import Database
from tests.builders import a_product, variants_of
from tests.support.reader import Page, Reader
from tests.support.staff import Staff, a_desk, trail
from tests.support.statements import statements

NEW = "/admin/products/new"


@pytest.fixture
def desk(client: FlaskClient, database: Database) -> Reader:
    return a_desk(client, database)


@pytest.fixture
def reader(app: Flask) -> Reader:
    """Somebody else's browser, at the shop."""
    return Reader(app.test_client())


@pytest.fixture
def tee(database: Database) -> int:
    """The id of a product that is on sale under /products/tee."""
    with database.transaction() as session:
        return a_product(session, "tee", title="Summit tee", tagline="Soft.").id


def rows(page: Page) -> list[str]:
    """The titles that a list shows."""
    return re.findall(r'class="row-link[^"]*"[^>]*>([^<]+)<', page.text)


def stored(database: Database, product_id: int) -> Product:
    with database.reading() as session:
        return session.get_one(Product, product_id)


def how_many(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Product)) or 0


# The list


def test_the_list_shows_what_readers_do_not_see_as_well(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "tee", title="Tee", options={"Size": ["S", "M"]}, stock=2)
        a_product(session, "mug", title="Mug", status="draft", stock=0)
        a_product(session, "cap", title="Cap", status="archived")
    page = desk.get("/admin/products")
    assert rows(page) == ["Tee", "Mug", "Cap"]
    assert "4 in 2 variants" in page.words
    for status, titles in {"active": ["Tee"], "draft": ["Mug"], "archived": ["Cap"]}.items():
        assert rows(desk.get("/admin/products", status=status)) == titles
    assert rows(desk.get("/admin/products", status="nonsense")) == ["Tee", "Mug", "Cap"]


def test_a_range_of_prices_and_what_is_sold_out_are_said(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, options={"Size": ["S", "M"]}, stock=2, price=3900)
        small, medium = variants_of(session, product)
        small.price_minor, small.reserved, medium.active = 4200, 2, True
    words = desk.get("/admin/products").words
    assert "$39.00 \u2013 $42.00" in words
    assert "2 in 2 variants, 1 sold out" in words


def test_a_product_is_found_by_title_address_or_sku(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        tee = a_product(session, "the-tee-shirt", title="Summit tee 100%")
        variants_of(session, tee)[0].sku = "TKT-BLK-M"
        a_product(session, "mug", title="Mug 100")
    for search in ("summit", "SUMMIT", "the-tee", "tkt-blk", "ee 100%"):
        assert rows(desk.get("/admin/products", q=search)) == ["Summit tee 100%"], search


def test_a_search_in_vain_says_so_and_can_be_cleared(desk: Reader, tee: int) -> None:
    page = desk.get("/admin/products", q="<b>umbrella")
    assert rows(page) == []
    assert "No product matches “<b>umbrella”." in page.words
    assert {"value": "<b>umbrella"}.items() <= page.all("input", name="q")[0].items()
    assert page.all("a", href="/admin/products")


def test_a_long_list_has_further_pages_that_keep_the_search(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        for number in range(30):
            a_product(session, title=f"Tee {number}")
        a_product(session, title="Mug")
    seen: list[str] = []
    page = desk.get("/admin/products", q="tee", status="active")
    while True:
        seen += rows(page)
        further = page.all("a", rel="next")
        if not further:
            break
        page = Page(desk.client.get(further[0]["href"]))
    assert seen == [f"Tee {number}" for number in range(30)]


def test_a_cursor_of_nonsense_begins_at_the_start(desk: Reader, tee: int) -> None:
    for cursor in ("", "x", "1", "1.", ".1", "-1.5", "1.2.3", "9" * 30, "\x00", "1.1'; --"):
        page = desk.get("/admin/products", after=cursor)
        assert (page.status, rows(page)) == (200, ["Summit tee"]), cursor


def test_a_long_list_takes_no_more_statements_than_a_short_one(app: Flask, desk: Reader, database: Database) -> None:
    engine = app.extensions["understory"].database.engine
    counts: list[int] = []
    for more in (1, 24):
        with database.transaction() as session:
            for _ in range(more):
                a_product(session, options={"Size": ["S", "M"]}, with_image=True)
        with statements(engine) as sent:
            desk.get("/admin/products", q="shirt", status="active")
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 6, sent


# A new one


def test_a_new_product_is_a_draft_for_staff_alone(desk: Reader, reader: Reader, database: Database) -> None:
    page = desk.send(desk.get(NEW), "/admin/products", title="Trump-Kim Summit Tee", price="39.50")
    assert page.status == 303
    editor = desk.follow(page)
    assert "A draft was made." in editor.words
    assert editor.form(f"{page.location}").fields["slug"] == "trump-kim-summit-tee"
    assert reader.get("/products/trump-kim-summit-tee").status == 404
    with database.reading() as session:
        [variant] = session.scalars(select(Variant)).all()
    assert (variant.sku, variant.price_minor, variant.on_hand) == ("TRUMP-KIM-SUMMIT-TEE", 3950, 0)
    [(action, subject, changes)] = trail(database)
    assert (action, subject) == ("product.create", "product trump-kim-summit-tee")
    assert changes["title"] == [None, "Trump-Kim Summit Tee"]


BAD_NEW = [
    ("title", "", "Write a title."),
    ("title", "t" * 141, "At most 140 characters; this has 141."),
    ("title", "two\tlines", "Use plain text on one line."),
    ("price", "", "Write a price."),
    ("price", "abc", "Write an amount such as 39.00."),
    ("price", "-1", "Write an amount such as 39.00."),
    ("price", "1.234", "SGD has no more than 2 decimals."),
    ("price", "39,00", "Write the amount with a point before the decimals"),
    ("price", "1e9", "Write an amount such as 39.00."),
    ("price", "1000000", "This is more than Stripe can charge at once."),
    ("price", "9" * 21, "Field cannot be longer than 20 characters."),
    ("slug", "Bad Slug", "Use lower-case letters, digits and single hyphens"),
    ("slug", "tee", "Another product has this address already."),
    ("sku", "has space", "Use letters, digits, hyphens, dots and slashes"),
    ("sku", "TAKEN", "Another variant has this SKU already."),
    ("sku", "nul\x00", "Use plain text on one line."),
]


def test_a_bad_value_of_a_new_product_is_said_beside_its_field(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        variants_of(session, a_product(session, "tee"))[0].sku = "TAKEN"
    fine = {"title": "Mug", "price": "19.50", "slug": "mug", "sku": "MUG"}
    page = desk.get(NEW)
    for field, typed, message in BAD_NEW:
        page = desk.send(page, "/admin/products", **(fine | {field: typed}))
        assert page.status == 422, (field, typed)
        assert message in page.beside(field), (field, typed)
        assert page.all("a", href=f"#{field}"), "the summary leads to the field"
        kept = page.form("/admin/products").fields
        assert {name: kept[name] for name in fine} == fine | {field: typed}
    assert how_many(database) == 1
    assert trail(database) == []


def test_a_title_of_no_latin_letters_asks_for_an_address(desk: Reader, database: Database) -> None:
    page = desk.send(desk.get(NEW), "/admin/products", title="新聞", price="1")
    assert page.status == 422
    assert "Write an address" in page.beside("slug")


def test_a_shop_in_a_currency_without_cents_takes_whole_prices(
    make_settings: Callable[..., Settings], database: Database
) -> None:
    app = create_app(make_settings(shop_currency="jpy"))
    try:
        desk = a_desk(app.test_client(), database)
        page = desk.send(desk.get(NEW), "/admin/products", title="Tee", price="500.50")
        assert (page.status, page.beside("price")) == (422, "JPY has no decimals.")
        assert desk.send(page, "/admin/products", price="500").status == 303
        with database.reading() as session:
            assert session.scalars(select(Variant.price_minor)).all() == [500]
    finally:
        app.extensions["understory"].database.close()


# Its texts and times


def test_a_changed_text_is_seen_by_readers_at_once(desk: Reader, reader: Reader, database: Database, tee: int) -> None:
    shown = [("/products/tee", {}), ("/embed/frame", {"product": "tee"}), ("/", {})]
    for place, query in shown:
        assert "Summit tee" in reader.get(place, **query).words
    address = f"/admin/products/{tee}"
    page = desk.send(
        desk.get(address), address, title="Handshake tee", description="Soft *cotton*. <script>no</script>"
    )
    assert (page.status, page.location) == (303, f"{address}#details")
    assert "Saved." in desk.follow(page).words
    for place, query in shown:
        assert "Handshake tee" in reader.get(place, **query).words
    assert "<em>cotton</em>" in reader.get("/products/tee").text
    assert "<script>no" not in reader.get("/products/tee").text
    [(action, subject, changes)] = trail(database)
    assert (action, subject) == ("product.edit", "product tee")
    assert changes["title"] == ["Summit tee", "Handshake tee"]


def test_saving_what_is_there_leaves_no_line_in_the_trail(desk: Reader, database: Database, tee: int) -> None:
    address = f"/admin/products/{tee}"
    assert desk.send(desk.get(address), address).status == 303
    assert trail(database) == []


BAD_TEXTS = [
    ("title", " ", "Write a title."),
    ("title", "t" * 141, "At most 140 characters; this has 141."),
    ("slug", "", "Write an address"),
    ("slug", "Tee", "Use lower-case letters"),
    ("slug", "mug", "Another product has this address already."),
    ("tagline", "t" * 201, "At most 200 characters; this has 201."),
    ("description", "d" * 20_001, "At most 20000 characters; this has 20001."),
    ("description", "nul\x00", "Use plain text without control characters."),
    ("publish_at", "tomorrow", "Write a date and time such as 2026-05-01 09:30."),
    ("publish_at", "2026-02-30T10:00", "Write a date and time such as 2026-05-01 09:30."),
    ("publish_at", "0001-01-01T00:00", "Write a date and time such as 2026-05-01 09:30."),
    ("unpublish_at", "2026-01-01T00:00", "The end comes after the beginning."),
]


def test_a_bad_text_or_time_is_said_beside_its_field(desk: Reader, database: Database, tee: int) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
    address = f"/admin/products/{tee}"
    fine = {"title": "New", "slug": "new", "tagline": "New.", "description": "New.", "publish_at": "2026-05-01T09:30"}
    page = desk.get(address)
    for field, typed, message in BAD_TEXTS:
        page = desk.send(page, address, **(fine | {"unpublish_at": ""} | {field: typed}))
        assert page.status == 422, (field, typed)
        assert message in page.beside(field), (field, typed)
        assert page.all("a", href=f"#{field}")
        kept = page.form(address).fields
        assert {name: kept[name] for name in fine} | {field: kept[field]} == fine | {field: typed}
    assert stored(database, tee).title == "Summit tee"


def test_a_time_is_taken_as_utc_and_hides_the_product_until_then(
    desk: Reader, reader: Reader, database: Database, tee: int
) -> None:
    address = f"/admin/products/{tee}"
    page = desk.send(desk.get(address), address, publish_at="2190-05-01T09:30")
    assert page.status == 303
    assert "Waiting for its time" in desk.follow(page).words
    assert reader.get("/products/tee").status == 404
    assert stored(database, tee).publish_at.isoformat() == "2190-05-01T09:30:00+00:00"  # type: ignore[union-attr]
    desk.send(desk.get(address), address, publish_at="")
    assert reader.get("/products/tee").status == 200


def test_the_second_of_two_members_of_staff_is_told_and_may_save_over_the_first(
    app: Flask, desk: Reader, database: Database, tee: int
) -> None:
    address = f"/admin/products/{tee}"
    mine = desk.get(address)
    staff_two = Staff(app.test_client())
    staff_two.log_in("desk@example.com")
    other = Reader(staff_two.client)
    other.send(other.get(address), address, title="Theirs", tagline="Rough.")

    refused = desk.send(mine, address, title="Mine", description="My *words*.")

    assert refused.status == 409
    assert "Somebody else has changed this since you opened it." in refused.words
    assert "Title, saved meanwhile Theirs" in refused.words
    assert "Tagline, saved meanwhile Rough." in refused.words
    kept = refused.form(address).fields
    assert (kept["title"], kept["tagline"], kept["description"]) == ("Mine", "Soft.", "My *words*.")
    assert stored(database, tee).title == "Theirs"

    assert desk.send(refused, address).status == 303
    assert stored(database, tee).title == "Mine"


def test_a_bad_value_does_not_make_an_overtaken_page_forget_that_it_is_one(
    desk: Reader, database: Database, tee: int
) -> None:
    address = f"/admin/products/{tee}"
    mine = desk.get(address)
    desk.send(desk.get(address), address, title="Theirs")
    bad = desk.send(mine, address, title="Mine", publish_at="soon")
    assert bad.status == 422
    assert desk.send(bad, address, publish_at="").status == 409
    assert stored(database, tee).title == "Theirs"


def test_a_form_that_does_not_say_what_it_changes_is_treated_as_overtaken(
    desk: Reader, database: Database, tee: int
) -> None:
    address = f"/admin/products/{tee}"
    for version in ("", "x", "-1", "9" * 40, "1.0", "²"):
        assert desk.send(desk.get(address), address, title="New", version=version).status == 409, version
    assert stored(database, tee).title == "Summit tee"


# Its status


def test_publishing_and_archiving_are_seen_at_once(desk: Reader, reader: Reader, database: Database) -> None:
    with database.transaction() as session:
        product_id = a_product(session, "tee", status="draft").id
    address = f"/admin/products/{product_id}"
    for status, answer in [("active", 200), ("archived", 410), ("active", 200), ("draft", 404)]:
        page = desk.send(desk.get(address), f"{address}/status", status=status)
        assert (page.status, page.location) == (303, address)
        assert reader.get("/products/tee").status == answer
        assert bool(reader.get("/").all("a", href="/products/tee")) == (answer == 200)
    assert [(action, changes["status"]) for action, _, changes in trail(database)] == [
        ("product.active", ["draft", "active"]),
        ("product.archived", ["active", "archived"]),
        ("product.active", ["archived", "active"]),
        ("product.draft", ["active", "draft"]),
    ]


def test_what_cannot_be_published_says_why(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", status="draft")
        variants_of(session, product)[0].active = False
        product_id = product.id
    address = f"/admin/products/{product_id}"
    page = desk.send(desk.get(address), f"{address}/status", status="active")
    assert page.status == 422
    assert "Put at least one variant on sale before you publish." in page.words
    assert stored(database, product_id).status == "draft"


def test_a_status_of_ones_own_invention_is_refused(desk: Reader, database: Database, tee: int) -> None:
    address = f"/admin/products/{tee}"
    assert desk.send(desk.get(address), f"{address}/status", status="gone").status == 422
    assert stored(database, tee).status == "active"


def test_nobody_publishes_what_somebody_else_changed_meanwhile(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        product_id = a_product(session, "tee", status="draft").id
    address = f"/admin/products/{product_id}"
    opened = desk.get(address)
    desk.send(desk.get(address), address, title="Half a senten")
    page = desk.send(opened, f"{address}/status", status="active")
    assert page.status == 409
    assert "Half a senten" in page.words
    assert stored(database, product_id).status == "draft"


# Addresses


def test_a_product_that_is_not_there_is_said_in_the_back_offices_look(desk: Reader) -> None:
    for product_id in ("999", "0", "99999999999999999999", "-1", "x"):
        page = desk.get(f"/admin/products/{product_id}")
        assert page.status == 404, product_id
        assert "Nothing here" in page.words or "does not exist" in page.words
        assert "Back office" in page.words
    token = {"csrf_token": desk.get(NEW).form("/admin/products").fields["csrf_token"], "version": "1"}
    for part in ("", "/status", "/options", "/variants", "/prices", "/images", "/images/1", "/images/1/place"):
        assert desk.client.post(f"/admin/products/999{part}", data=token).status_code == 404, part


def test_an_address_answers_only_the_methods_that_it_has(desk: Reader, tee: int) -> None:
    for path in ("/status", "/options", "/variants", "/prices", "/images"):
        answer = desk.client.get(f"/admin/products/{tee}{path}")
        assert answer.status_code == 405
        assert "POST" in answer.headers["Allow"]
        assert "Back office" in answer.text


def test_somebody_who_may_only_look_gets_no_button_to_press(client: FlaskClient, database: Database, tee: int) -> None:
    page = a_desk(client, database, "analyst").get(f"/admin/products/{tee}")
    assert page.status == 200
    assert [form.action for form in page.forms if form.action.startswith("/admin/products/")] == [
        f"/admin/products/{tee}",
        f"/admin/products/{tee}/variants",
    ]
    assert len(page.all("fieldset", disabled="")) == 2
    assert len(page.all("button", type="submit")) == 1, "the one to log out"


def test_a_successor_is_chosen_by_its_address_and_stands_in_the_trail(
    desk: Reader, database: Database, tee: int
) -> None:
    with database.transaction() as session:
        mug = a_product(session, "mug").id
    address = f"/admin/products/{tee}"
    assert desk.send(desk.get(address), address, successor=" mug ").status == 303
    with database.reading() as session:
        assert session.get_one(Product, tee).successor_id == mug
    assert desk.get(address).form(address).fields["successor"] == "mug"
    assert "successor" in desk.get("/admin/audit").words

    for wrong, sentence in (("tee", "in a circle"), ("nothing", "No product has this address.")):
        page = desk.send(desk.get(address), address, successor=wrong)
        assert page.status == 422
        assert sentence in page.beside("successor")

    assert desk.send(desk.get(address), address, successor="").status == 303
    with database.reading() as session:
        assert session.get_one(Product, tee).successor_id is None
