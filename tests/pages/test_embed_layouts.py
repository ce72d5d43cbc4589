"""The frame's layouts: card, line, shelf and button, and where each of their buttons leads."""

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shop.db import Database
from shop.web.house import House
from tests.builders import a_product, shipping_to
from tests.support.reader import Page

STORY = "https://news.example/2018/06/kim"
CTA = "Buy a Trump-Kim t-shirt:"


@pytest.fixture
def tee(database: Database) -> None:
    with database.transaction() as session:
        shipping_to(session, "SG", "MY")
        a_product(session, "tee", title="Summit shirt", options={"Size": ["S", "M"]}, with_image=True)
        a_product(session, "mug", title="Deadline mug", stock=0)


def frame(client: FlaskClient, **asked: str) -> Page:
    return Page(client.get("/embed/frame", query_string={"product": "tee", "story": STORY, "title": "Kim", **asked}))


def main_of(page: Page) -> dict[str, str]:
    return page.all("main")[0]


@pytest.mark.parametrize("layout", ["card", "line", "shelf", "button"])
def test_each_layout_says_what_it_is_and_names_product_and_price(client: FlaskClient, tee: None, layout: str) -> None:
    page = frame(client, layout=layout, cta=CTA)
    assert (main_of(page)["data-layout"], main_of(page)["data-state"]) == (layout, "offer")
    assert main_of(page)["data-product"] == "tee"
    assert "$39.00" in page.words
    assert CTA.rstrip(":") in page.words


@pytest.mark.parametrize("layout", ["", "banner", "CARD", "card ", "../line", "<b>", "x" * 5000, "\x00"])
def test_a_layout_that_there_is_not_is_a_card(client: FlaskClient, tee: None, layout: str) -> None:
    assert main_of(frame(client, layout=layout))["data-layout"] == "card"


@pytest.mark.parametrize("layout", ["line", "shelf", "button"])
def test_its_button_leads_to_the_product_and_with_a_script_to_its_card(
    app: Flask, client: FlaskClient, tee: None, layout: str
) -> None:
    house: House = app.extensions["understory"]
    page = frame(client, layout=layout, cta=CTA, lang="ms")
    (way,) = [at for at in page.all("a") if "data-card" in at]
    assert way["target"] == "_top"
    assert client.get(way["href"]).status_code == 200

    asked = parse_qs(urlsplit(way["data-card"]).query)
    placement = house.placements.verify(asked["placement"][0])
    assert placement is not None
    assert (placement.url, placement.title, placement.layout) == (STORY, "Kim", layout)
    assert parse_qs(urlsplit(way["href"]).query)["placement"] == asked["placement"] == [main_of(page)["data-placement"]]

    card = Page(client.get(way["data-card"]))
    assert main_of(card)["data-layout"] == "card"
    form = card.form("/embed/cart")
    # What is bought from it was brought about by the line, not by a card.
    assert form.fields["placement"] == asked["placement"][0]
    assert (form.fields["cta"], form.fields["lang"]) == (CTA, "ms-SG")


@pytest.mark.parametrize("layout", ["line", "shelf", "button"])
def test_what_is_sold_out_leads_to_where_one_can_ask_for_it(client: FlaskClient, tee: None, layout: str) -> None:
    page = frame(client, product="mug", layout=layout)
    (way,) = [at for at in page.all("a") if "data-card" in at]
    assert Page(client.get(way["data-card"])).form("/embed/waitlist")
    assert Page(client.get(way["href"])).form("/products/mug/waitlist")
    assert "Sold out" in page.words or "tell me when it is back" in page.words


def test_a_button_without_a_call_to_action_says_what_it_sells(client: FlaskClient, tee: None) -> None:
    assert "Buy Summit shirt" in frame(client, layout="button").words
    words = frame(client, layout="button", cta="Get the shirt \uff1a").words
    assert "Get the shirt" in words
    assert "\uff1a" not in words


@pytest.mark.parametrize("layout", ["card", "line", "shelf", "button"])
@pytest.mark.parametrize("cta", ['" onload="alert(1)', "<script>alert(1)</script>", "a&product=mug&x=", "&amp;#"])
def test_markup_in_the_call_to_action_stays_text_in_each_layout(
    client: FlaskClient, tee: None, layout: str, cta: str
) -> None:
    plain = frame(client, layout=layout, cta="plain")
    page = frame(client, layout=layout, cta=cta)
    assert [(tag, set(at)) for tag, at in page.tags] == [(tag, set(at)) for tag, at in plain.tags]
    for way in (at for at in page.all("a") if "data-card" in at):
        assert parse_qs(urlsplit(way["data-card"]).query)["product"] == ["tee"]
        assert parse_qs(urlsplit(way["data-card"]).query)["cta"] == [cta]


@pytest.mark.parametrize("token", ["x", "eyJ1cmwiOiJ4In0.sig", "a" * 9000, "\x00", "<b>"])
def test_a_token_that_is_not_ours_makes_no_placement(client: FlaskClient, tee: None, token: str) -> None:
    page = Page(client.get("/embed/frame", query_string={"product": "tee", "placement": token}))
    assert page.form("/embed/cart").fields["placement"] == ""
    assert "eyJ1cmwi" not in page.text


def test_a_token_of_another_story_is_that_storys_whatever_the_address_says(
    app: Flask, client: FlaskClient, tee: None
) -> None:
    house: House = app.extensions["understory"]
    token = house.placements.sign("https://news.example/other", "Other", "line")
    page = frame(client, placement=token)
    placement = house.placements.verify(page.form("/embed/cart").fields["placement"])
    assert placement is not None
    assert placement.url == "https://news.example/other"


@pytest.mark.parametrize("slot", ["", "..", "a b", "x" * 41, "<b>", "-a"])
def test_a_slot_that_there_cannot_be_is_the_usual_one(app: Flask, client: FlaskClient, tee: None, slot: str) -> None:
    house: House = app.extensions["understory"]
    placement = house.placements.verify(frame(client, slot=slot).form("/embed/cart").fields["placement"])
    assert placement is not None
    assert placement.slot == "story"
