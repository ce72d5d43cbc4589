"""A product's pictures: what is taken, what is refused and why, and what readers see of it."""

import io
import re
import struct
import zlib

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select
from werkzeug.datastructures import FileStorage

from shop.catalog.models import Product, ProductImage
from shop.catalog.pictures import MAX_BYTES
from shop.config import Settings
from shop.db import Database
from tests.builders import a_product, variants_of
from tests.support.reader import Page, Reader
from tests.support.staff import a_desk, trail

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'


def test_a_stranger_s_upload_is_not_taken_in(client: FlaskClient) -> None:
    answer = client.post("/admin/products/1/images", data={"upload-files": (io.BytesIO(bytes(2_000_000)), "a.png")})
    answer.request.environ["wsgi.input"].close()
    assert answer.status_code == 413


def a_picture(colour: str = "red", form: str = "PNG") -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(drawn, form)
    return drawn.getvalue()


def damaged(raw: bytes) -> bytes:
    """An AVIF whose head is whole and whose pixels are not."""
    head = raw.index(b"mdat") + len("mdat")
    return raw[:head] + bytes(len(raw) - head)


def a_bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few bytes that unpacks to gigabytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.fixture
def desk(client: FlaskClient, database: Database) -> Reader:
    return a_desk(client, database)


@pytest.fixture
def tee(database: Database) -> Product:
    with database.transaction() as session:
        return a_product(session, "tee", title="Tee", options={"Colour": ["Black", "White"]}, status="draft")


@pytest.fixture
def address(tee: Product) -> str:
    return f"/admin/products/{tee.id}"


def add(desk: Reader, address: str, *files: tuple[str, bytes], **typed: str) -> Page:
    """Choose these files in the editor's form, and send it."""
    fields = desk.get(address).form(f"{address}/images").fields | {
        f"upload-{name}": text for name, text in typed.items()
    }
    chosen = [FileStorage(io.BytesIO(body), name) for name, body in files]
    answer = desk.client.post(f"{address}/images", data={**fields, "upload-files": chosen})
    answer.request.environ["wsgi.input"].close()  # a large body lies in a file, which the test's client leaves open
    return Page(answer)


def pictures(database: Database) -> list[ProductImage]:
    with database.reading() as session:
        return list(session.scalars(select(ProductImage).order_by(ProductImage.position)))


def test_a_picture_is_shown_to_readers_with_its_words_and_its_colour(
    app: Flask, desk: Reader, database: Database, settings: Settings, tee: Product, address: str
) -> None:
    _, white = choices_of(database, tee)
    page = add(desk, address, ("tee.png", a_picture()), alt="A white\nshirt & a hand", value=str(white))
    assert (page.status, page.location) == (303, f"{address}#pictures")
    assert "The picture is added." in desk.follow(page).words
    [image] = pictures(database)
    assert (image.alt, image.value_id, image.width, image.height) == ("A white shirt & a hand", white, 40, 30)
    assert trail(database)[-1][0] == "product.pictures"

    assert desk.send(desk.get(address), f"{address}/status", status="active").status == 303

    reader = Reader(app.test_client())
    for place, query in (("/products/tee", {}), ("/embed/frame", {"product": "tee"})):
        shown = reader.get(place, **query)
        assert "A white shirt & a hand" in {at.get("alt") for at in shown.all("img")}
    [source] = {at["src"] for at in reader.get("/products/tee").all("img") if at.get("alt")}
    with reader.client.get(source) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert re.fullmatch(r"/media/[0-9a-f]{32}-320\.jpg", source)


def choices_of(database: Database, product: Product) -> list[int]:
    """The ids of the choices, which a variant of one option carries as its key."""
    with database.reading() as session:
        return [int(variant.choice_key) for variant in variants_of(session, product)]


def test_several_pictures_are_added_in_the_order_in_which_they_were_chosen(
    desk: Reader, database: Database, address: str
) -> None:
    files = [(f"{colour}.{form.lower()}", a_picture(colour, form)) for colour, form in FORMS]
    assert add(desk, address, *files, alt="A shirt").status == 303
    keys = [image.key for image in pictures(database)]
    assert len(set(keys)) == len(FORMS)
    assert desk.get(address).text.index(keys[0]) < desk.get(address).text.index(keys[-1])


FORMS = [("red", "PNG"), ("green", "JPEG"), ("blue", "WEBP"), ("white", "GIF"), ("black", "AVIF")]


def test_a_product_without_options_takes_pictures_too(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        address = f"/admin/products/{a_product(session).id}"
    page = desk.get(address)
    assert not page.all("select", name="upload-value")
    assert add(desk, address, ("mug.png", a_picture()), alt="A mug").status == 303
    [image] = pictures(database)
    assert image.value_id is None


def test_what_is_no_picture_is_refused_by_name_and_nothing_is_added(
    desk: Reader, database: Database, settings: Settings, address: str
) -> None:
    good = ("good.png", a_picture())
    not_read = "This is not a picture that can be read. Use JPEG, PNG, WebP, AVIF or GIF."
    bad: list[tuple[str, bytes, str]] = [
        ("notes.txt", b"These are words.", not_read),
        ("renamed.png", b"MZ\x90\x00" + b"\0" * 400, not_read),
        ("drawing.svg", SVG, not_read),
        ("svg-as.png", SVG, not_read),
        ("cut-off.png", a_picture()[:60], not_read),
        ("bare-head.jpg", b"\xff\xd8\xff\xe0", not_read),
        ("damaged.avif", damaged(a_picture(form="AVIF")), not_read),
        ("empty.png", b"", "The file is empty."),
        ("bomb.png", a_bomb(), "The picture has more than 50 million pixels."),
        ("wide.png", a_bomb(50_000_001, 1), "The picture has more than 50 million pixels."),
        ("strip.png", a_bomb(1, 40_000), "The picture is more than ten times as long on one side as on the other."),
        ("ribbon.png", a_bomb(12_801, 1280), "The picture is more than ten times as long on one side as on the other."),
        ("scan.tiff", a_picture(form="TIFF"), "Use a JPEG, PNG, WebP, AVIF or GIF picture."),
        ("bitmap.bmp", a_picture(form="BMP"), "Use a JPEG, PNG, WebP, AVIF or GIF picture."),
        ("huge.png", b"\x89PNG" + b"\0" * MAX_BYTES, "The file is over 20 MB."),
        ("<b>odd</b>.png", b"x", not_read),
    ]
    for name, body, message in bad:
        page = add(desk, address, good, (name, body), alt="A shirt")
        assert page.status == 422, name
        assert f"{name}: {message}" in page.beside("upload-files"), name
        assert page.all("a", href="#upload-files")
        assert page.form(f"{address}/images").fields["upload-alt"] == "A shirt"
    assert pictures(database) == []
    assert trail(database) == []


def test_no_file_or_too_many_are_said(desk: Reader, database: Database, address: str) -> None:
    assert "Choose a picture first." in add(desk, address, alt="A shirt").beside("upload-files")
    nameless = add(desk, address, ("", b""), alt="A shirt")
    assert (nameless.status, "Choose a picture first." in nameless.beside("upload-files")) == (422, True)
    many = [(f"{n}.png", a_picture()) for n in range(11)]
    assert "At most 10 pictures at once." in add(desk, address, *many).beside("upload-files")
    for _ in range(2):
        assert add(desk, address, *many[:10], alt="A shirt").status == 303
    page = add(desk, address, many[0], alt="A shirt")
    assert page.status == 422
    assert "A product has at most 20 pictures." in page.beside("upload-files")
    assert len(pictures(database)) == 20


def test_words_are_asked_for_where_readers_see_the_picture(desk: Reader, database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "mug", status="active", with_image=True)
    address = f"/admin/products/{product.id}"
    page = add(desk, address, ("mug.png", a_picture()))
    assert page.status == 422
    assert "Say what the picture shows" in page.beside("upload-alt")
    [image] = pictures(database)
    page = desk.send(desk.get(address), f"{address}/images/{image.id}", **{f"image-{image.id}-alt": " \n "})
    assert page.status == 422
    assert "Say what the picture shows" in page.beside(f"image-{image.id}-alt")
    page = desk.send(page, f"{address}/images/{image.id}", **{f"image-{image.id}-alt": "w" * 301})
    assert "At most 300 characters; this has 301." in page.beside(f"image-{image.id}-alt")
    assert pictures(database)[0].alt == "A shirt"


def test_a_draft_waits_for_its_words_until_it_is_published(desk: Reader, database: Database, address: str) -> None:
    assert add(desk, address, ("tee.png", a_picture())).status == 303
    page = desk.send(desk.get(address), f"{address}/status", status="active")
    assert page.status == 422
    assert "Say what one picture shows before you publish" in page.words


def test_a_picture_belongs_to_a_choice_of_its_own_product(desk: Reader, database: Database, address: str) -> None:
    with database.transaction() as session:
        other = a_product(session, options={"Size": ["S"]})
        theirs = variants_of(session, other)[0].choice_key
    for value in (theirs, "999", "x", ""):
        page = add(desk, address, ("tee.png", a_picture()), alt="A shirt", value=value)
        assert page.status == 422, value
        assert "Choose one of the list." in page.beside("upload-value")
    assert pictures(database) == []


def test_pictures_are_moved_and_removed(desk: Reader, database: Database, address: str) -> None:
    for colour in ("red", "green", "blue"):
        add(desk, address, (f"{colour}.png", a_picture(colour)), alt=colour)
    red, green, blue = (image.id for image in pictures(database))
    desk.send(desk.get(address), f"{address}/images/{blue}/place", towards="front")
    assert [image.alt for image in pictures(database)] == ["red", "blue", "green"]
    desk.send(desk.get(address), f"{address}/images/{red}/place", towards="end")
    assert [image.alt for image in pictures(database)] == ["blue", "red", "green"]
    assert desk.send(desk.get(address), f"{address}/images/{red}/removal").status == 303
    assert [image.alt for image in pictures(database)] == ["blue", "green"]
    assert [line[0] for line in trail(database)] == ["product.pictures"] * 6
    token = desk.get(address).form(address).fields
    for part in ("", "/place", "/removal"):
        assert desk.client.post(f"{address}/images/{red}{part}", data=token).status_code == 404, part
        assert desk.client.get(f"{address}/images/{green}{part}").status_code == 405


def test_a_picture_of_another_product_is_out_of_reach(desk: Reader, database: Database, address: str) -> None:
    with database.transaction() as session:
        a_product(session, with_image=True)
    [theirs] = pictures(database)
    token = desk.get(address).form(address).fields
    for part in ("", "/place", "/removal"):
        assert desk.client.post(f"{address}/images/{theirs.id}{part}", data=token).status_code == 404, part
    assert len(pictures(database)) == 1


def test_nobody_writes_over_words_that_they_have_not_seen(desk: Reader, database: Database, address: str) -> None:
    add(desk, address, ("tee.png", a_picture()), alt="A shirt")
    [image] = pictures(database)
    name, place = f"image-{image.id}-alt", f"{address}/images/{image.id}"
    opened = desk.get(address)
    desk.send(desk.get(address), place, **{name: "A black shirt with two hands"})
    page = desk.send(opened, place, **{name: "Shirt"})
    assert page.status == 409
    assert "saved meanwhile A black shirt with two hands" in page.words
    assert page.form(place).fields[name] == "Shirt"
    assert pictures(database)[0].alt == "A black shirt with two hands"
    assert desk.send(page, place).status == 303
    assert pictures(database)[0].alt == "Shirt"


def test_more_than_a_server_takes_at_once_is_said_in_the_back_offices_look(
    desk: Reader, database: Database, address: str
) -> None:
    page = add(desk, address, ("film.mov", b"\0" * (64 * 1024 * 1024)))
    assert page.status == 413
    assert "That is too large" in page.words
    assert "Back office" in page.words
    assert pictures(database) == []
