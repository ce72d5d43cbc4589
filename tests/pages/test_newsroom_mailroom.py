"""The demo newsroom's mailroom: messages from a folder, shown without trusting them or their names."""

import os
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from shop.demo.mailroom import SHOWN_AT_MOST, letters, open_letter
from shop.demo.newsroom import NewsroomSettings, create_newsroom
from shop.mail.messages import Stationery, write
from shop.mail.outbox import KINDS
from shop.mail.transports import FolderTransport
from tests.support.letters import a_letter, ordered

SHOP = "http://127.0.0.1:5000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mail"
    folder.mkdir()
    return folder


@pytest.fixture
def reader(folder: Path) -> FlaskClient:
    return create_newsroom(NewsroomSettings("http://127.0.0.1:5001", SHOP, folder)).test_client()


def post(folder: Path, name: str, subject: str, minute: int = 0, html: str | None = "<p>Thank <b>you</b></p>") -> Path:
    message = EmailMessage()
    message["From"] = "The Courier Shop <shop@example.com>"
    message["To"] = "Wei Ling <reader@example.com>"
    message["Subject"] = subject
    message.set_content("Thank you for S$39.00\n<script>not markup</script>\n")
    if html is not None:
        message.add_alternative(html, subtype="html")
    path = folder / name
    path.write_bytes(bytes(message))
    moment = 1_528_600_000 + 60 * minute
    os.utime(path, (moment, moment))
    return path


def test_messages_are_listed_with_the_newest_first(folder: Path, reader: FlaskClient) -> None:
    post(folder, "b.eml", "Your order is paid", minute=1)
    post(folder, "a.eml", "Your order has been sent", minute=3)
    post(folder, "c.eml", "Välkommen till butiken 你好", minute=2)
    text = reader.get("/mail").text
    assert text.index("has been sent") < text.index("Välkommen till butiken 你好") < text.index("order is paid")
    assert "Wei Ling &lt;reader@example.com&gt;" in text


def test_only_messages_are_listed(folder: Path, reader: FlaskClient) -> None:
    post(folder, "a.eml", "A message")
    (folder / "notes.txt").write_text("private")
    (folder / ".hidden.eml").write_text("Subject: hidden\n\nx")
    (folder / "folder.eml").mkdir()
    text = reader.get("/mail").text
    assert text.count('<li>\n      <a href="/mail/') == 1
    assert "hidden" not in text


def test_an_empty_or_missing_folder_is_no_error(folder: Path, reader: FlaskClient) -> None:
    assert "Nothing has been sent yet" in reader.get("/mail").text
    folder.rmdir()
    answer = reader.get("/mail")
    assert answer.status_code == 200
    assert "Nothing has been sent yet" in answer.text
    assert letters(folder) == []


def test_a_long_list_stops_at_the_newest(folder: Path) -> None:
    for number in range(SHOWN_AT_MOST + 3):
        post(folder, f"{number:04}.eml", f"Message {number}", minute=number, html=None)
    shown = letters(folder)
    assert len(shown) == SHOWN_AT_MOST
    assert shown[0].subject == f"Message {SHOWN_AT_MOST + 2}"
    assert shown[-1].subject == "Message 3"


def test_a_message_is_shown_as_text_and_in_a_sandboxed_frame(folder: Path, reader: FlaskClient) -> None:
    post(folder, "a.eml", "Your order <U-7K2M> is paid")
    answer = reader.get("/mail/a.eml")
    assert answer.status_code == 200
    assert "Your order &lt;U-7K2M&gt; is paid" in answer.text
    assert "&lt;script&gt;not markup&lt;/script&gt;" in answer.text
    frame = answer.text.partition("<iframe")[2].partition(">")[0]
    assert 'src="/mail/a.eml/html"' in frame
    assert " sandbox " in frame
    assert "frame-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_html_part_comes_as_it_is_and_may_run_nothing(folder: Path, reader: FlaskClient) -> None:
    post(folder, "a.eml", "Hello", html='<p style="color:red">Hi</p><script>alert(1)</script>')
    answer = reader.get("/mail/a.eml/html")
    assert '<p style="color:red">Hi</p>' in answer.text
    policy = [part.strip() for part in answer.headers["Content-Security-Policy"].split(";")]
    assert policy[:2] == ["sandbox", "default-src 'none'"]
    assert not [part for part in policy if part.startswith("script-src") or "allow-" in part]
    assert "frame-ancestors 'self'" in policy
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_message_without_html_has_no_frame(folder: Path, reader: FlaskClient) -> None:
    post(folder, "a.eml", "Text only", html=None)
    assert "<iframe" not in reader.get("/mail/a.eml").text
    assert reader.get("/mail/a.eml/html").status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "missing.eml",
        "../secret.eml",
        "..%2Fsecret.eml",
        "%2e%2e%2fsecret.eml",
        "....//secret.eml",
        "..%5Csecret.eml",
        "%2Fetc%2Fpasswd",
        "a.eml%00",
        "a.eml%0a",
        "-.txt",
        ".eml",
        "x" * 5000 + ".eml",
        "%ff%fe.eml",
    ],
)
@pytest.mark.parametrize("tail", ["", "/html"])
def test_no_name_leads_out_of_the_folder(folder: Path, reader: FlaskClient, name: str, tail: str) -> None:
    post(folder, "a.eml", "Inside")
    post(folder.parent, "secret.eml", "Outside")
    answer = reader.get(f"/mail/{name}{tail}", follow_redirects=True)
    assert answer.status_code == 404
    assert "Outside" not in answer.text
    assert "This page was spiked" in answer.text


@pytest.mark.parametrize(
    "name", ["../secret.eml", "/etc/passwd", "", ".", "..", "a.eml/../../secret.eml", "a.eml\n", "\0.eml"]
)
def test_the_reader_of_messages_refuses_such_names_by_itself(folder: Path, name: str) -> None:
    post(folder.parent, "secret.eml", "Outside")
    assert open_letter(folder, name) is None


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, reader: FlaskClient) -> None:
    (folder / "link.eml").symlink_to(post(folder.parent, "secret.eml", "Outside"))
    assert "Outside" not in reader.get("/mail").text
    assert reader.get("/mail/link.eml").status_code == 404


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00 not mail at all",
        b'Subject: =?utf-8?b?////?=\nFrom: <<<>\nTo: a@b@c, , "\n\nbody',
        b"Content-Type: text/html; charset=no-such-charset\n\n<p>caf\xc3\xa9</p>",
        b"Content-Type: multipart/mixed; boundary=never\n\n--other\n\nx",
        b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!!",
    ],
)
def test_a_broken_message_is_still_shown(folder: Path, reader: FlaskClient, raw: bytes) -> None:
    (folder / "broken.eml").write_bytes(raw)
    assert 'href="/mail/broken.eml"' in reader.get("/mail").text
    assert reader.get("/mail/broken.eml").status_code == 200
    assert reader.get("/mail/broken.eml/html").status_code in {200, 404}


def test_the_footer_leads_to_the_mailroom_only_where_there_is_one(reader: FlaskClient) -> None:
    assert 'href="/mail"' in reader.get("/").text
    without = create_newsroom(NewsroomSettings("http://127.0.0.1:5001", SHOP)).test_client()
    assert 'href="/mail"' not in without.get("/").text


def test_no_name_that_somebody_made_lead_here_opens_the_mailroom(reader: FlaskClient, folder: Path) -> None:
    post(folder, "1.eml", "Your order U-7K2M")
    assert reader.get("/mail", headers={"Host": "127.0.0.1:5001"}).status_code == 200
    assert reader.get("/mail", headers={"Host": "rebound.example:5001"}).status_code == 400


@pytest.mark.parametrize("locale", ["en_SG", "zh_Hans_SG", "ms_SG", "ta_SG"])
def test_it_shows_each_kind_of_the_shops_own_mail_in_the_language_that_it_is_in(
    folder: Path, reader: FlaskClient, locale: str
) -> None:
    stationery = Stationery("The Courier Shop", SHOP, "shop@example.com", locale)
    for number, kind in enumerate(sorted(KINDS)):
        back = {"title": "Shirt", "slug": "shirt", "price_minor": 3900}
        letter = a_letter(kind, id=number, context={"reason": "Because.", "amount_minor": 1400} | back)
        message = write(stationery, letter, ordered(locale=locale))
        FolderTransport(folder).deliver(letter, message)
        page = reader.get("/mail").text
        assert f'lang="{locale.replace("_", "-")}">{message["Subject"]}</a>' in page
        (name,) = [path.name for path in folder.iterdir() if path.name.endswith(f"-{kind}.eml")]
        opened = reader.get(f"/mail/{name}")
        assert opened.status_code == 200
        assert message["Subject"] in opened.text
        assert ("Shirt" if kind == "back_in_stock" else "U-7K2M4Q") in opened.text
    assert len(letters(folder)) == len(KINDS)


def test_a_language_that_is_none_is_left_out(folder: Path) -> None:
    path = post(folder, "a.eml", "Hello")
    path.write_bytes(b'Content-Language: x" onload="alert(1)\n' + path.read_bytes())
    assert letters(folder)[0].language == ""
