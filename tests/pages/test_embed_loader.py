"""GET /embed.js and the frame's own files: small, cached, and free for every origin to load."""

import gzip
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


def test_the_loader_is_sent_without_its_comments_but_with_all_of_its_code(client: FlaskClient) -> None:
    sent = client.get("/embed.js").get_data(as_text=True)
    source = (STATIC / "embed.js").read_text(encoding="utf-8")
    lines = [line.strip() for line in source.split("*/", 1)[1].splitlines()]
    assert sent.splitlines() == [line for line in lines if line and not line.startswith("//")]
    # Dropping lines and indentation is only right as long as no text runs over several of them.
    assert "`" not in source
    assert "/*" not in sent


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


def test_the_loader_holds_free_what_the_card_needs() -> None:
    loader = (STATIC / "embed.js").read_text(encoding="utf-8")
    sheet = (STATIC / "frame.css").read_text(encoding="utf-8")
    held = re.search(r"wide < (\d+) \? (\d+) : wide < (\d+) \? (\d+) : (\d+)", loader)
    assert held is not None
    phone, small, middle, medium, large = held.groups()
    base, _, rest = sheet.partition(f"@media (min-width: {phone}px)")
    tablet, _, desk = rest.partition(f"@media (min-width: {middle}px)")
    for part, height in ((base, small), (tablet, medium), (desk, large)):
        assert re.search(r"\.card \{[^}]*min-height: (\d+)px", part).group(1) == height  # type: ignore[union-attr]


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
