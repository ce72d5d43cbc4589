"""From the outbox to a message: what it says, and what nobody can make it say."""

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser

import pytest

from shop.mail.messages import CannotWrite, OrderedLine, Parcel, Stationery, address_lines, write
from shop.mail.outbox import ABOUT_ORDERS
from shop.mail.transports import as_bytes
from shop.money import Money
from tests.support.letters import a_letter, ordered

STATIONERY = Stationery("The Ledger Shop", "https://shop.example.com", "shop@example.com", "en_SG")
HOSTILE = 'Shirt <script>alert("1")</script> & "co"'


def parts(message: EmailMessage) -> tuple[str, str]:
    """The text and the HTML, as a mail program reads them from the wire."""
    read = BytesParser(policy=policy.default).parsebytes(as_bytes(message))
    assert isinstance(read, EmailMessage)
    text, html = read.get_body(("plain",)), read.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


class Page(HTMLParser):
    """What a mail program shows of a message: its words, its links, and how many elements carry their own style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words = ""
        self.links: list[str] = []
        self.tags: list[str] = []
        self.styled = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.styled += "style" in values
        if values.get("href"):
            self.links.append(str(values["href"]))

    def handle_data(self, data: str) -> None:
        self.words += data


RECEIPT_SAYS = (
    "U-7K2M4Q",
    "Trump-Kim summit t-shirt",
    "Black / M",
    "Inverted Pyramid pin",
    "$39.00",
    "$78.00",
    "$14.00",
    "$92.00",
    "$5.00",
    "$97.00",
    "SGD",
    "Standard",
    "Mei Lin Tan",
    "12 Bukit Timah Road",
    "#04-11",
    "229641",
    "A handshake and a coin",
    "1 March 2026",
    "The Ledger Shop",
)


def test_a_receipt_says_everything_in_text_and_in_html() -> None:
    message = write(STATIONERY, a_letter(), ordered())
    text, html = parts(message)
    page = Page(html)
    for said in RECEIPT_SAYS:
        assert said in text
        assert said in page.words
    for link in ("https://shop.example.com/orders/the-unguessable-link", "https://news.example.com/summit"):
        assert link in text
        assert link in page.links
    assert message["Subject"] == "Your receipt for order U-7K2M4Q"
    assert message["To"] == "mei@example.com"
    assert message["From"] == "The Ledger Shop <shop@example.com>"
    assert message["Reply-To"] == "shop@example.com"
    assert message["Date"] == "Sun, 01 Mar 2026 12:30:05 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "en-SG"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("currency", "locale", "total"),
    [("jpy", "ja_JP", "￥9,700"), ("krw", "en_SG", "₩9,700"), ("eur", "de_DE", "97,00\xa0€")],
)
def test_amounts_are_those_of_the_orders_currency(currency: str, locale: str, total: str) -> None:
    stationery = Stationery("Laden", "https://shop.example.com", "shop@example.com", locale)
    text, html = parts(write(stationery, a_letter(), ordered(currency)))
    assert total in text
    assert total in Page(html).words


@pytest.mark.parametrize("kind", sorted(ABOUT_ORDERS))
def test_every_kind_of_message_can_be_written_and_keeps_to_the_rules_of_the_wire(kind: str) -> None:
    order = ordered(
        lines=(OrderedLine("Long " * 400 + "é", "x" * 2000, 1, Money(100, "sgd"), Money(100, "sgd")),),
        story_url="https://news.example.com/" + "a" * 3000,
        parcel=Parcel("Post", "SP1", "https://track.example.com/SP1"),
    )
    message = write(STATIONERY, a_letter(kind, context={"reason": "Because. " * 300, "amount_minor": 3900}), order)
    raw = as_bytes(message)
    # RFC 5322, 2.1.1: no line over 998 bytes. RFC 5321: each ends with CRLF.
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    text, html = parts(message)
    for said in ("U-7K2M4Q", "The Ledger Shop"):
        assert said in text
        assert said in Page(html).words
    assert "\n\n\n" not in text
    assert "{" not in text


def test_styles_are_written_inline_and_nothing_is_fetched_or_run() -> None:
    _, html = parts(write(STATIONERY, a_letter(), ordered()))
    page = Page(html)
    assert page.styled > 30
    assert not {"img", "link", "script", "iframe", "form"} & set(page.tags)
    assert "@media (prefers-color-scheme: dark)" in html
    assert all(link.startswith("https://") for link in page.links)


def test_what_a_title_holds_stays_text() -> None:
    order = ordered(
        lines=(OrderedLine(HOSTILE, HOSTILE, 1, Money(100, "sgd"), Money(100, "sgd")),),
        story_title=HOSTILE,
        buyer_name=HOSTILE,
        shipping_method=HOSTILE,
        address={"line1": HOSTILE, "country": "SG"},
    )
    text, html = parts(write(STATIONERY, a_letter(), order))
    page = Page(html)
    assert "script" not in page.tags
    assert page.words.count(HOSTILE) == 6
    assert HOSTILE in text


def test_a_story_whose_address_is_not_of_the_web_is_not_linked() -> None:
    text, html = parts(write(STATIONERY, a_letter(), ordered(story_url="javascript:alert(1)")))
    assert "javascript" not in text + html
    assert "From the story" not in text + html


@pytest.mark.parametrize(
    "evil", ["Shop\r\nBcc: everybody@example.com", "Shop\nBcc: everybody@example.com", "Shop\rBcc: x"]
)
def test_a_line_break_in_a_name_or_a_number_begins_no_header(evil: str) -> None:
    stationery = Stationery(evil, "https://shop.example.com", "shop@example.com", "en_SG")
    message = write(stationery, a_letter(), ordered(number=evil, buyer_name=evil))
    read = BytesParser(policy=policy.default).parsebytes(as_bytes(message))
    assert read["Bcc"] is None
    assert read["To"] == "mei@example.com"
    assert len(read.keys()) == len(set(read.keys()))
    assert [mailbox.addr_spec for mailbox in read["From"].addresses] == ["shop@example.com"]


@pytest.mark.parametrize(
    "recipient", ["mei@example.com\r\nBcc: x@example.com", "a@b.com, c@d.com", "", "mei", 'a"b@c.com']
)
def test_a_recipient_that_is_no_address_is_refused(recipient: str) -> None:
    with pytest.raises(CannotWrite):
        write(STATIONERY, a_letter(recipient=recipient), ordered())


def test_a_message_whose_order_is_gone_is_refused() -> None:
    with pytest.raises(CannotWrite, match="no longer there"):
        write(STATIONERY, a_letter(), None)


def test_the_same_letter_is_the_same_message_to_the_byte_however_often_it_is_written() -> None:
    first = write(STATIONERY, a_letter(attempts=1), ordered())
    second = write(STATIONERY, a_letter(attempts=2), ordered())
    other = write(STATIONERY, a_letter(id=8, dedupe_key="receipt:U-8"), ordered())
    assert as_bytes(first) == as_bytes(second)
    assert first["Message-ID"] == second["Message-ID"] != other["Message-ID"]
    assert first["Message-ID"].endswith("@example.com>")


def test_a_message_about_a_test_order_says_so_and_one_about_real_money_does_not() -> None:
    for livemode in (True, False):
        text, html = parts(write(STATIONERY, a_letter(), ordered(livemode=livemode)))
        assert ("Test mode" in text) is not livemode
        assert ("Test mode" in html) is not livemode


def test_the_sender_may_have_a_name_of_its_own_and_letters_of_any_script() -> None:
    stationery = Stationery("Läden & Söhne", "https://shop.example.com", "Käthe <kasse@example.com>", "de_DE")
    message = write(stationery, a_letter(), ordered())
    read = BytesParser(policy=policy.default).parsebytes(as_bytes(message))
    assert read["From"] == "Käthe <kasse@example.com>"
    assert as_bytes(message).isascii()


def test_a_shipped_message_names_the_parcel_and_leads_to_it() -> None:
    parcel = Parcel("SingPost", "SP123456789SG", "https://track.example.com/SP123456789SG")
    text, html = parts(write(STATIONERY, a_letter("shipped"), ordered(parcel=parcel)))
    page = Page(html)
    for said in ("SingPost", "SP123456789SG"):
        assert said in text
        assert said in page.words
    assert "https://track.example.com/SP123456789SG" in page.links
    assert "https://shop.example.com/orders/the-unguessable-link" in page.links


@pytest.mark.parametrize("kind", ["staff_attention", "staff_dispute", "staff_books"])
def test_staff_read_why_they_are_called_and_get_no_link_of_the_buyers(kind: str) -> None:
    letter = a_letter(kind, context={"reason": "Paid 96.00\nwhere 97.00 was due."})
    text, html = parts(write(STATIONERY, letter, ordered()))
    assert "Paid 96.00 where 97.00 was due." in text
    assert "https://shop.example.com/admin/orders/U-7K2M4Q" in Page(html).links
    assert "the-unguessable-link" not in text + html


def test_a_refund_is_told_with_its_amount_in_the_orders_currency_and_what_was_given_back_so_far() -> None:
    order = ordered("jpy", refunded=Money(4900, "jpy"))
    message = write(STATIONERY, a_letter("refunded", context={"amount_minor": 1400}), order)
    text, html = parts(message)
    assert message["Subject"] == "Your refund for order U-7K2M4Q"
    for said in ("We have sent ¥1,400", "Refunded so far", "¥4,900", "up to ten days"):
        assert said in text.replace("JP¥", "¥")
        assert said in Page(html).words.replace("JP¥", "¥")


@pytest.mark.parametrize("amount", [None, 0, -5, "1400", 14.0, True])
def test_a_refund_without_an_amount_is_not_told(amount: object) -> None:
    with pytest.raises(CannotWrite, match="how much"):
        write(STATIONERY, a_letter("refunded", context={"amount_minor": amount}), ordered())


def test_a_buyer_who_is_needed_reads_why_and_finds_the_order() -> None:
    letter = a_letter("order_needs_you", context={"reason": "What you ordered comes later."})
    text, html = parts(write(STATIONERY, letter, ordered()))
    assert "What you ordered comes later." in text
    assert "What you ordered comes later." in Page(html).words
    assert "https://shop.example.com/orders/the-unguessable-link" in Page(html).links
    assert "/admin/" not in text + html


def test_a_payment_that_failed_leads_to_ordering_it_again() -> None:
    text, html = parts(write(STATIONERY, a_letter("payment_failed"), ordered()))
    assert "https://shop.example.com/orders/the-unguessable-link/again" in Page(html).links
    assert "https://shop.example.com/orders/the-unguessable-link/again" in text


def test_an_address_stands_as_on_a_parcel_and_is_left_out_when_there_is_none() -> None:
    address = {"name": "Kim", "line1": "1 Rd", "line2": None, "city": "Berlin", "postal_code": "10115", "country": "DE"}
    assert address_lines(address, "", "en_SG") == ("Kim", "1 Rd", "Berlin 10115", "Germany")
    assert address_lines({}, "Kim", "en_SG") == ()
