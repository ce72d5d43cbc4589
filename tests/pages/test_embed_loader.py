"""GET /embed.js and the frame's own files: small, cached, and free for every origin to load."""

import base64
import gzip
import hashlib
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shop.web.assets import STATIC
from shop.web.embed import files

MOST_BYTES = 2048


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """These answers read nothing from the database, so one kind of it will do."""
    return sqlite_url


def test_the_loader_is_at_most_two_kilobytes_gzipped(client: FlaskClient) -> None:
    plain = client.get("/embed.js").data
    sent = client.get("/embed.js", headers={"Accept-Encoding": "gzip"}).data
    assert len(sent) <= MOST_BYTES
    assert gzip.decompress(sent) == plain


def test_the_loader_is_sent_without_comments_and_with_every_word_of_its_strings(client: FlaskClient) -> None:
    sent = client.get("/embed.js").get_data(as_text=True)
    source = (STATIC / "embed.js").read_text(encoding="utf-8")
    code = "\n".join(line for line in source.split("*/", 1)[1].splitlines() if not line.strip().startswith("//"))
    assert re.findall(r"'[^'\n]*'", sent) == re.findall(r"'[^'\n]*'", code)
    assert sent.count(";") == code.count(";")
    # Packing is only right as long as no text runs over several lines, and none holds a quote of its own.
    assert "`" not in source
    assert "/*" not in sent


def test_what_is_sent_under_a_short_name_is_never_a_propertys_name() -> None:
    source = (STATIC / "embed.js").read_text(encoding="utf-8").split("*/", 1)[1]
    code = re.sub(r"//[^\n]*|'[^'\n]*'", "", source)
    for name in files.LOCAL_NAMES:
        assert not re.search(rf"(?<!\.\.)\.{name}\b|\b{name}:", code), name
        assert re.search(rf"\b{name}\b", code), name
    assert not set(re.findall(r"\b[A-Z]\b", code))


def test_the_pinned_loader_is_the_same_bytes_for_ever_and_fits_its_digest(client: FlaskClient) -> None:
    pinned = client.get(files.loader_url())
    assert pinned.data == client.get("/embed.js").data
    assert "immutable" in pinned.headers["Cache-Control"]
    assert pinned.headers["Access-Control-Allow-Origin"] == "*"
    algorithm, _, digest = files.integrity().partition("-")
    assert base64.b64decode(digest) == hashlib.new(algorithm, pinned.data).digest()


def test_another_loader_than_the_one_that_a_page_has_pinned_is_not_sent(client: FlaskClient) -> None:
    answer = client.get("/embed/0123456789abcdef0123/embed.js")
    assert answer.status_code == 404
    assert "immutable" not in answer.headers["Cache-Control"]


def test_any_page_may_load_it_and_keep_it_for_five_minutes(client: FlaskClient) -> None:
    answer = client.get("/embed.js")
    assert answer.status_code == 200
    assert answer.mimetype == "application/javascript"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_browser_that_has_it_is_told_so(client: FlaskClient, encoding: str) -> None:
    accept = {"Accept-Encoding": encoding}
    first = client.get("/embed.js", headers=accept)
    tag = first.headers["ETag"]
    assert not tag.startswith("W/")
    again = client.get("/embed.js", headers=accept | {"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert client.get("/embed.js", headers=accept | {"If-None-Match": '"another"'}).status_code == 200


def test_the_two_forms_of_the_loader_have_tags_of_their_own(client: FlaskClient) -> None:
    plain = client.get("/embed.js", headers={"Accept-Encoding": "identity"})
    packed = client.get("/embed.js", headers={"Accept-Encoding": "gzip"})
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


def test_the_loader_holds_free_what_each_layout_needs() -> None:
    loader = (STATIC / "embed.js").read_text(encoding="utf-8")
    sheet = (STATIC / "frame.css").read_text(encoding="utf-8")

    def least(part: str, layout: str) -> str:
        found = re.search(rf"^ *\.{layout} \{{[^}}]*min-height: (\d+)px", part, re.MULTILINE)
        assert found is not None
        return found[1]

    held = re.search(r"wide < (\d+) \? (\d+) : wide < (\d+) \? (\d+) : (\d+)", loader)
    assert held is not None
    phone, small, middle, medium, large = held.groups()
    base, _, rest = sheet.partition(f"@media (min-width: {phone}px)")
    tablet, _, desk = rest.partition(f"@media (min-width: {middle}px)")
    assert [least(part, "card") for part in (base, tablet, desk)] == [small, medium, large]
    others = dict(re.findall(r"\b(line|shelf|button): (\d+)", loader))
    assert others == {"line": least(sheet, "line"), "shelf": least(sheet, "shelf"), "button": least(sheet, "lone")}


def test_the_style_sheet_carries_the_design_values_and_may_be_kept_for_ever(client: FlaskClient, app: Flask) -> None:
    with app.app_context():
        address = files.sheet_url()
    answer = client.get(address)
    assert "immutable" in answer.headers["Cache-Control"]
    css = answer.get_data(as_text=True)
    assert "--paper-raised:" in css
    assert ".card" in css
    stale = client.get("/embed/frame.css?v=older")
    assert "immutable" not in stale.headers["Cache-Control"]
