"""Staff change what is sold, and it shows under the story and on the shelf."""

import io
import re

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

from tests.journeys.support.browsers import NARROW, Browsers
from tests.journeys.support.desk import expect_said, log_in, open_product
from tests.journeys.support.house import House
from tests.journeys.support.steps import embed_in, soon_under_the_story

SHIRT = "Trump-Kim summit t-shirt"


def a_photograph() -> bytes:
    """A mug, as a phone's camera would send it."""
    image = Image.new("RGB", (1200, 1200), "#e9dfd0")
    draw = ImageDraw.Draw(image)
    draw.ellipse((760, 440, 1040, 800), outline="#1c4a98", width=60)
    draw.rounded_rectangle((300, 300, 860, 960), 60, fill="#1c4a98")
    raw = io.BytesIO()
    image.save(raw, "JPEG")
    return raw.getvalue()


@pytest.mark.parametrize("width", [1280, NARROW])
def test_staff_change_the_price_and_the_stock_of_the_shirt_and_see_both_under_the_story(
    browsers: Browsers, house: House, width: int
) -> None:
    story = browsers.open()
    story.goto(house.article_url)
    card = embed_in(story)
    expect(card.locator("[data-price]")).to_have_text("$39.00")
    expect(card.get_by_role("radio", name="XL")).to_be_enabled()

    desk = browsers.open(width=width)
    log_in(desk, house)
    open_product(desk, SHIRT)
    desk.get_by_label("One price for all, SGD").fill("42.50")
    desk.get_by_role("button", name="Set every price").click()
    expect_said(desk, "Every variant has this price now.")
    expect(desk.get_by_label("Price of M / Black")).to_have_value("42.50")
    browsers.snap(desk, "1-price")

    desk.get_by_role("link", name="12 left of XL / Black").click()
    desk.get_by_label("Pieces in or out").fill("-12")
    desk.get_by_label("What happened").select_option("Correction of the count")
    desk.get_by_label("Reason").fill("Given to the desk that was there")
    desk.get_by_role("button", name="Write into the ledger").click()
    expect_said(desk, "0 on hand now.")
    browsers.snap(desk, "2-stock")

    card = soon_under_the_story(story, lambda card: card.get_by_role("radio", name="XL").is_disabled())
    expect(card.locator("[data-price]")).to_have_text("$42.50")
    expect(card.get_by_role("radio", name=re.compile("XL.*sold out"))).to_be_disabled()
    browsers.snap(story, "3-story")


def test_a_price_is_changed_without_scripts(browsers: Browsers, house: House) -> None:
    desk = browsers.open(scripts=False)
    log_in(desk, house)
    open_product(desk, SHIRT)
    desk.get_by_label("Price of S / White").fill("45,00")
    browsers.expects(422, r"/admin/products/\d+/variants")
    desk.get_by_role("button", name="Save variants").click()
    alert = desk.get_by_role("alert")
    expect(alert).to_contain_text("This was not saved yet.")
    alert.get_by_role("link", name="Price of S / White").click()
    wrong = desk.get_by_label("Price of S / White")
    expect(wrong).to_be_in_viewport()
    expect(wrong).to_have_value("45,00")
    expect(wrong).to_have_accessible_description("Write the amount with a point before the decimals, such as 39.00.")
    browsers.snap(desk, "1-refused")

    wrong.fill("45.00")
    desk.get_by_role("button", name="Save variants").click()
    expect_said(desk, "The variants are saved.")

    story = browsers.open()
    story.goto(house.article_url)
    card = embed_in(story)
    for value in ("S", "White"):
        card.get_by_role("radio", name=value, exact=True).check()
    expect(card.locator("[data-price]")).to_have_text("$45.00")


@pytest.mark.parametrize("width", [1280, NARROW])
def test_staff_make_a_new_product_and_publish_it(browsers: Browsers, house: House, width: int) -> None:
    desk = browsers.open(width=width)
    log_in(desk, house)
    desk.get_by_role("link", name="Products").first.click()
    desk.get_by_role("link", name="New product").click()
    desk.get_by_label("Title").fill("Night desk mug")
    desk.get_by_label("Price").fill("19.50")
    desk.get_by_role("button", name="Make a draft").click()
    expect_said(desk, "A draft was made. Readers see it once it is published.")

    desk.get_by_label("Tagline").fill("For the hours after the first edition.")
    desk.get_by_label("Description").fill("Holds **kopi** until morning.")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect_said(desk, "Saved.")

    desk.get_by_label("Option 1").fill("Size")
    desk.get_by_label("Its choices, separated by commas").first.fill("Small, Large")
    desk.get_by_role("button", name="Save options").click()
    expect_said(desk, "The options are saved, and every combination has its variant.")
    desk.get_by_label("Price of Large").fill("24.50")
    desk.get_by_label("Grams of Large").fill("480")
    desk.get_by_role("button", name="Save variants").click()
    expect_said(desk, "The variants are saved.")

    photograph = {"name": "mug.jpg", "mimeType": "image/jpeg", "buffer": a_photograph()}
    desk.get_by_label("Files").set_input_files(photograph)  # type: ignore[arg-type]
    desk.get_by_label("What the picture shows").last.fill("A blue mug with a round handle")
    desk.get_by_role("button", name="Add pictures").click()
    expect_said(desk, "The picture is added.")
    browsers.snap(desk, "1-draft")

    desk.get_by_role("link", name="0 left of Large").click()
    desk.get_by_label("Pieces in or out").fill("25")
    desk.get_by_label("Reason").fill("First delivery")
    desk.get_by_role("button", name="Write into the ledger").click()
    expect_said(desk, "25 on hand now.")
    desk.get_by_role("link", name="Night desk mug").click()

    reader = browsers.open(width=width)
    reader.goto(house.url)
    expect(reader.get_by_role("link", name="Night desk mug")).to_have_count(0)
    desk.get_by_role("button", name="Publish").click()
    expect_said(desk, "Published.")
    browsers.snap(desk, "2-published")

    reader.reload()
    reader.get_by_role("link", name="Night desk mug").first.click()
    expect(reader.get_by_role("heading", level=1, name="Night desk mug")).to_be_visible()
    picture = reader.get_by_role("img", name="A blue mug with a round handle").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    reader.get_by_role("radio", name="Large").check()
    expect(reader.locator("[data-price]")).to_have_text("$24.50")
    expect(reader.get_by_role("radio", name="Small")).to_have_accessible_name(re.compile("sold out"))
    browsers.snap(reader, "3-shop")


def test_nothing_that_was_typed_is_lost_without_a_question(browsers: Browsers, house: House) -> None:
    desk = browsers.open()
    log_in(desk, house)
    open_product(desk, SHIRT)
    asked: list[str] = []

    def refuse(dialog: object) -> None:
        asked.append(dialog.message)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    desk.on("dialog", refuse)
    desk.get_by_label("Title").fill("Handshake shirt")
    desk.get_by_label("One price for all, SGD").fill("42.50")
    desk.get_by_role("button", name="Set every price").click()
    desk.get_by_role("button", name="Remove picture 1").click()
    assert asked == [
        "What you typed in another part of this page is not saved. Go on without it?",
        "Remove picture 1 from this product?",
    ]
    expect(desk.get_by_label("Title")).to_have_value("Handshake shirt")

    desk.get_by_label("One price for all, SGD").fill("")
    desk.remove_listener("dialog", refuse)
    desk.once("dialog", lambda dialog: dialog.accept())
    desk.get_by_role("button", name="Save", exact=True).click()
    expect_said(desk, "Saved.")
    expect(desk.get_by_role("heading", level=1, name="Handshake shirt")).to_be_visible()


def test_the_embeds_html_is_copied_by_a_button(browsers: Browsers, house: House) -> None:
    desk: Page = browsers.open(permissions=["clipboard-read", "clipboard-write"])
    log_in(desk, house)
    open_product(desk, SHIRT)
    desk.get_by_role("button", name="Copy").click()
    expect(desk.get_by_role("button", name="Copied")).to_be_visible()
    copied = desk.evaluate("navigator.clipboard.readText()")
    assert f'<script async src="{house.url}/embed.js"></script>' in copied
    assert f'<shop-embed product="trump-kim-tee"><a href="{house.url}/products/trump-kim-tee">' in copied
