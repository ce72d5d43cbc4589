""" "Tell me when it is back", under a story and on the shop's own page."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from shop.catalog import stock
from shop.catalog.models import Waiting
from shop.db import Database
from shop.mail.waiting import tell_waiting
from shop.web.house import House
from tests.builders import a_product, shipping_to, variants_of
from tests.support.reader import Page, Reader

STORY = "https://news.example/2018/06/kim"
MEI = "mei@example.com"

Ask = Callable[..., Page]


@pytest.fixture
def mug(database: Database) -> list[int]:
    """A mug in two sizes, both sold out. The variants' ids."""
    with database.transaction() as session:
        shipping_to(session, "SG")
        a_product(session, "tee")
        product = a_product(session, "mug", title="Deadline mug", options={"Size": ["S", "L"]}, stock=0)
        return [variant.id for variant in variants_of(session, product)]


@pytest.fixture(params=["frame", "shop"])
def ask(request: pytest.FixtureRequest, client: FlaskClient, mug: list[int]) -> Ask:
    """Sends the form of the sold-out mug, from the frame under a story, or from the shop's page that the story links to."""
    reader = Reader(client)

    def sends(**typed: str) -> Page:
        if request.param == "frame":
            page = reader.get("/embed/frame", product="mug", story=STORY, title="Kim", lang="ta")
            return Page(client.post("/embed/waitlist", data=page.form("/embed/waitlist").fields | typed))
        return reader.send(reader.get("/products/mug", story=STORY, title="Kim"), "/products/mug/waitlist", **typed)

    return sends


def waiting(database: Database) -> list[tuple[str, int | None, str]]:
    with database.reading() as session:
        found = session.execute(sa.select(Waiting.email, Waiting.variant_id, Waiting.story_url).order_by(Waiting.id))
        return [tuple(row) for row in found]


def removal_of(page: Page) -> tuple[str, dict[str, str]]:
    form = next(form for form in page.forms if "ticket" in form.fields)
    return form.action, form.fields


def test_whoever_asks_is_kept_with_the_story_and_told_so(database: Database, ask: Ask) -> None:
    page = ask(email=MEI)
    assert page.status == 200
    assert "Deadline mug" in page.words
    assert waiting(database) == [(MEI, None, STORY)]


def test_one_size_can_be_asked_for(database: Database, ask: Ask, mug: list[int]) -> None:
    ask(email=MEI, variant=str(mug[1]))
    assert waiting(database) == [(MEI, mug[1], STORY)]


@pytest.mark.parametrize("variant", ["0", "-1", "999999", "x", "1e3", "\u0661", "9" * 40])
def test_a_size_of_ones_own_invention_is_any(database: Database, ask: Ask, variant: str) -> None:
    assert ask(email=MEI, variant=variant).status == 200
    assert waiting(database) == [(MEI, None, STORY)]


def test_nobody_learns_whether_an_address_was_there_already(database: Database, ask: Ask) -> None:
    pages = [ask(email=MEI), ask(email=MEI)]
    for page in pages:
        ticket = removal_of(page)[1]["ticket"]
        assert len(ticket) == len(removal_of(pages[0])[1]["ticket"])
    first, second = ((page.status, page.words, [(tag, set(at)) for tag, at in page.tags]) for page in pages)
    assert first == second
    assert len(waiting(database)) == 1


@pytest.mark.parametrize("email", ["", "mei", "mei@", "a@b", "mei@example.com\r\nBcc: x@example.com", "x" * 5000])
def test_what_is_no_address_is_said_beside_the_field_and_kept_there(database: Database, ask: Ask, email: str) -> None:
    page = ask(email=email)
    assert page.status == 422
    assert "name@example.com" in page.beside("email")
    assert page.all("input", name="email")[0]["value"] == "".join(c for c in email[:254] if c.isprintable())
    assert waiting(database) == []


def test_markup_in_an_address_stays_text(ask: Ask) -> None:
    page = ask(email='"><script>alert(1)</script>')
    assert page.status == 422
    assert page.all("input", name="email")[0]["value"] == '"><script>alert(1)</script>'
    assert "<script>alert" not in page.text


def test_a_request_is_taken_back_by_the_button_beside_it(client: FlaskClient, database: Database, ask: Ask) -> None:
    action, fields = removal_of(ask(email=MEI))
    page = Page(client.post(action, data=fields))
    assert page.status == 200
    assert waiting(database) == []
    again = Page(client.post(action, data=fields))
    assert (again.status, again.words) == (page.status, page.words)


@pytest.mark.parametrize("ticket", ["", "x" * 24, "x" * 5000, "\x00", "<b>"])
def test_a_ticket_of_ones_own_takes_nothing_back_and_is_told_nothing(
    client: FlaskClient, database: Database, ask: Ask, ticket: str
) -> None:
    action, fields = removal_of(ask(email=MEI))
    assert client.post(action, data=fields | {"ticket": ticket}).status_code == 200
    assert len(waiting(database)) == 1


def test_what_came_back_while_the_form_was_open_is_offered(
    client: FlaskClient, database: Database, mug: list[int]
) -> None:
    reader = Reader(client)
    frame, page = reader.get("/embed/frame", product="mug"), reader.get("/products/mug")
    with database.transaction() as session:
        stock.adjust(session, mug[0], 2, "delivery", "tests", kind="receive")
    sent = frame.form("/embed/waitlist").fields | {"email": MEI}
    assert Page(client.post("/embed/waitlist", data=sent)).form("/embed/cart")
    assert reader.send(page, "/products/mug/waitlist", email=MEI).location == "/products/mug"
    assert waiting(database) == []


def test_what_is_in_stock_or_unknown_has_no_list(client: FlaskClient, database: Database, mug: list[int]) -> None:
    assert Page(client.post("/embed/waitlist", data={"product": "tee", "email": MEI})).form("/embed/cart")
    for product in ("nothing", "", "a\x00b", "x" * 900):
        assert client.post("/embed/waitlist", data={"product": product, "email": MEI}).status_code == 404
    assert waiting(database) == []


def test_the_language_of_the_frame_is_that_of_the_message(
    client: FlaskClient, database: Database, mug: list[int]
) -> None:
    form = Reader(client).get("/embed/frame", product="mug", lang="ta").form("/embed/waitlist").fields
    client.post("/embed/waitlist", data=form | {"email": MEI}, headers={"Accept-Language": "ms"})
    form = Reader(client).get("/embed/frame", product="mug").form("/embed/waitlist").fields
    client.post("/embed/waitlist", data=form | {"email": "b@example.com"}, headers={"Accept-Language": "ms"})
    with database.reading() as session:
        assert session.scalars(sa.select(Waiting.locale).order_by(Waiting.id)).all() == ["ta_SG", "ms_SG"]


def test_the_answer_keeps_the_frame_in_the_story_and_sets_no_cookie(client: FlaskClient, mug: list[int]) -> None:
    form = Reader(client).get("/embed/frame", product="mug", story=STORY).form("/embed/waitlist").fields
    answer = client.post("/embed/waitlist", data=form | {"email": MEI})
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
    page = Page(answer)
    assert page.all("main")[0]["data-state"] == "waiting"
    assert page.all("form", action="/embed/waitlist/removal")[0].get("target") is None


def test_many_addresses_from_one_place_are_stopped(client: FlaskClient, database: Database, mug: list[int]) -> None:
    answers = [
        client.post("/embed/waitlist", data={"product": "mug", "email": f"r{n}@example.com"}).status_code
        for n in range(12)
    ]
    assert answers == [200] * 10 + [429] * 2
    assert len(waiting(database)) == 10


def test_another_site_cannot_ask_in_a_readers_name_on_the_shops_page(
    client: FlaskClient, database: Database, mug: list[int]
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    answer = client.post("/products/mug/waitlist", data={"email": MEI}, headers=headers)
    assert answer.status_code == 400
    assert waiting(database) == []


def test_a_placement_that_is_not_ours_names_no_story(client: FlaskClient, database: Database, mug: list[int]) -> None:
    client.post("/embed/waitlist", data={"product": "mug", "email": MEI, "placement": "eyJ1cmwiOiJ4In0.sig"})
    assert waiting(database) == [(MEI, None, "")]


def test_from_the_story_to_the_message(app: Flask, database: Database, ask: Ask, mug: list[int]) -> None:
    house: House = app.extensions["understory"]
    ask(email=MEI)
    assert tell_waiting(house.database) == 0
    with database.transaction() as session:
        stock.adjust(session, mug[0], 1, "delivery", "tests", kind="receive")
    assert tell_waiting(house.database) == 1
    assert waiting(database) == []
