"""Telling readers that something is back: asked for once, told once, and forgotten."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from shop.catalog import stock, waitlist
from shop.catalog.models import Product, Variant, Waiting
from shop.config import Settings
from shop.db import Database, now
from shop.errors import BadAddress, NotFound
from shop.mail import waiting
from shop.mail.models import OutboxMessage
from shop.mail.sending import send_due, take
from shop.mail.transports import transport_for
from shop.workshop import Workshop
from tests.builders import a_product, variants_of
from tests.support.letters import a_mail_server

MEI = "mei@example.com"


def waiting_rows(session: Session) -> list[tuple[str, int]]:
    return [tuple(row) for row in session.execute(sa.select(Waiting.email, Waiting.variant_key).order_by(Waiting.id))]


def due_addresses(session: Session) -> list[str]:
    return [who.email for who in waitlist.due(session, now())]


def sold_out(session: Session, slug: str = "tee", **fields: object) -> Product:
    return a_product(session, slug, stock=0, **fields)  # type: ignore[arg-type]


def receive(session: Session, product: Product, pieces: int, variant: int = 0) -> None:
    stock.adjust(session, variants_of(session, product)[variant].id, pieces, "delivery", "tests", kind="receive")


def letters(database: Database) -> list[OutboxMessage]:
    with database.reading() as session:
        return list(session.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.id)))


def test_whoever_asks_twice_is_kept_once_and_gets_an_answer_that_looks_the_same(session: Session) -> None:
    product = sold_out(session)
    first = waitlist.ask(session, product.id, MEI)
    second = waitlist.ask(session, product.id, " mei@EXAMPLE.com ")
    assert waiting_rows(session) == [(MEI, 0)]
    assert len(first) == len(second)


def test_one_variant_and_the_whole_product_are_two_wishes(session: Session) -> None:
    product = sold_out(session, options={"Size": ["S", "M"]})
    medium = variants_of(session, product)[1]
    waitlist.ask(session, product.id, MEI)
    waitlist.ask(session, product.id, MEI, variant_id=medium.id)
    assert waiting_rows(session) == [(MEI, 0), (MEI, medium.id)]


def test_a_variant_of_another_product_is_none_of_this_one(session: Session) -> None:
    product, other = sold_out(session), sold_out(session, "mug")
    with pytest.raises(NotFound):
        waitlist.ask(session, product.id, MEI, variant_id=variants_of(session, other)[0].id)


def test_the_ticket_takes_the_request_back_once(session: Session) -> None:
    ticket = waitlist.ask(session, sold_out(session).id, MEI)
    assert waitlist.take_back(session, ticket)
    assert not waitlist.take_back(session, ticket)
    assert waiting_rows(session) == []


def test_a_stranger_who_writes_the_address_again_cannot_take_the_request_back(session: Session) -> None:
    product = sold_out(session)
    waitlist.ask(session, product.id, MEI)
    strangers = waitlist.ask(session, product.id, MEI)
    assert not waitlist.take_back(session, strangers)
    assert waiting_rows(session) == [(MEI, 0)]


@pytest.mark.parametrize("ticket", ["", "x", "x" * 5000, "\x00", "é" * 40])
def test_a_ticket_of_ones_own_invention_takes_nothing_back(session: Session, ticket: str) -> None:
    waitlist.ask(session, sold_out(session).id, MEI)
    assert not waitlist.take_back(session, ticket)
    assert waiting_rows(session) == [(MEI, 0)]


@pytest.mark.parametrize(
    "text", [MEI, "a+b@sub.example.co", "ö@bücher.example", "o'neil@example.com", "a.b-c_d@ex-ample.sg"]
)
def test_an_address_is_taken_as_it_is(text: str) -> None:
    assert waitlist.address_written(f"  {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mei",
        "mei@",
        "@example.com",
        "mei@example",
        "mei@@example.com",
        "mei@exa mple.com",
        "mei@.example.com",
        "mei@example..com",
        "mei@-example.com",
        "mei,kim@example.com",
        "Mei <mei@example.com>",
        '"mei"@example.com',
        "mei@example.com\nBcc: kim@example.com",
        "mei\x00@example.com",
        "m" * 65 + "@example.com",
        "mei@" + "a." * 130 + "com",
    ],
)
def test_what_is_no_address_is_refused(session: Session, text: str) -> None:
    with pytest.raises(BadAddress):
        waitlist.ask(session, sold_out(session).id, text)
    assert waiting_rows(session) == []


def test_nobody_is_told_before_there_is_something(session: Session) -> None:
    product = sold_out(session)
    waitlist.ask(session, product.id, MEI)
    assert due_addresses(session) == []
    receive(session, product, 1)
    assert due_addresses(session) == [MEI]


def test_who_waits_for_one_variant_is_told_of_no_other(session: Session) -> None:
    product = sold_out(session, options={"Size": ["S", "M"]})
    small, medium = variants_of(session, product)
    waitlist.ask(session, product.id, "s@example.com", variant_id=small.id)
    waitlist.ask(session, product.id, "m@example.com", variant_id=medium.id)
    waitlist.ask(session, product.id, "any@example.com")
    receive(session, product, 5, variant=1)
    assert due_addresses(session) == ["m@example.com", "any@example.com"]


@pytest.mark.parametrize(
    "change",
    [
        {"status": "draft"},
        {"status": "archived"},
        {"unpublish_at": now() - timedelta(hours=1)},
        {"publish_at": now() + timedelta(hours=1)},
    ],
    ids=["draft", "archived", "over", "not begun"],
)
def test_what_readers_cannot_see_is_not_back(session: Session, change: dict[str, object]) -> None:
    product = a_product(session, "tee", stock=3, **change)  # type: ignore[arg-type]
    waitlist.ask(session, product.id, MEI)
    assert due_addresses(session) == []


def test_a_variant_that_is_off_sale_or_promised_to_others_is_not_back(session: Session) -> None:
    product = a_product(session, "tee", options={"Size": ["S", "M"]}, stock=1)
    small, medium = variants_of(session, product)
    stock.reserve(session, {small.id: 1})
    session.execute(sa.update(Variant).where(Variant.id == medium.id).values(active=False))
    waitlist.ask(session, product.id, MEI)
    assert due_addresses(session) == []


def test_as_many_are_told_at_once_as_there_are_pieces_the_first_who_asked_first(session: Session) -> None:
    product, other = sold_out(session), sold_out(session, "mug")
    for number in range(5):
        waitlist.ask(session, product.id, f"reader-{number}@example.com")
    waitlist.ask(session, other.id, MEI)
    receive(session, product, 2)
    receive(session, other, 9)
    assert due_addresses(session) == ["reader-0@example.com", "reader-1@example.com", MEI]


def test_a_crowd_before_one_piece_keeps_nobody_else_waiting(session: Session) -> None:
    product, other = sold_out(session), sold_out(session, "mug")
    for number in range(30):
        waitlist.ask(session, product.id, f"reader-{number}@example.com")
    waitlist.ask(session, other.id, MEI)
    receive(session, product, 1)
    receive(session, other, 1)
    assert [who.email for who in waitlist.due(session, now(), limit=5)] == ["reader-0@example.com", MEI]


def test_each_is_told_once_and_forgotten_with_that(database: Database) -> None:
    with database.transaction() as session:
        product = sold_out(session, title="Summit shirt")
        waitlist.ask(session, product.id, MEI, locale="ms_SG", story_url="https://news.example/kim")
        receive(session, product, 3)
    assert waiting.tell_waiting(database) == 1
    assert waiting.tell_waiting(database) == 0
    (letter,) = letters(database)
    assert (letter.kind, letter.recipient, letter.order_id, letter.state) == ("back_in_stock", MEI, None, "waiting")
    with database.reading() as session:
        assert waiting_rows(session) == []


@pytest.mark.parametrize("answer", ["250 OK", "550 no such mailbox"])
def test_no_address_is_left_once_the_message_has_gone_or_cannot_go(
    database: Database, settings: Settings, answer: str
) -> None:
    with database.transaction() as session:
        product = sold_out(session)
        waitlist.ask(session, product.id, MEI)
        receive(session, product, 1)
    waiting.tell_waiting(database)
    workshop = Workshop(settings)
    try:
        with a_mail_server() as server:
            server.to_recipient.append(answer)
            done = send_due(database, transport_for(server.url), workshop.compose)
    finally:
        workshop.close()
    assert done.sent + done.failed == 1
    assert letters(database) == []


def test_the_rest_are_told_as_long_as_something_is_left(database: Database) -> None:
    with database.transaction() as session:
        product = sold_out(session)
        for number in range(5):
            waitlist.ask(session, product.id, f"reader-{number}@example.com")
        receive(session, product, 2)
    assert [waiting.tell_waiting(database) for _ in range(4)] == [2, 2, 1, 0]


def test_what_a_failed_transaction_would_have_told_is_told_by_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.transaction() as session:
        product = sold_out(session)
        waitlist.ask(session, product.id, MEI)
        receive(session, product, 1)

    def breaks(*_: object, **__: object) -> bool:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(waiting, "post", breaks)
        with pytest.raises(ZeroDivisionError):
            waiting.tell_waiting(database)
    assert letters(database) == []
    assert waiting.tell_waiting(database) == 1


def test_whoever_asks_again_after_being_told_is_told_again(database: Database) -> None:
    with database.transaction() as session:
        product = sold_out(session)
        product_id = product.id
        receive(session, product, 1)
    for _ in range(2):
        with database.transaction() as session:
            waitlist.ask(session, product_id, MEI)
        assert waiting.tell_waiting(database) == 1
    assert len(letters(database)) == 2


@pytest.mark.parametrize(
    ("locale", "tag", "subject", "see"),
    [
        ("", "en-SG", "Summit shirt is back", "See it in the shop"),
        ("zh_Hans_SG", "zh-Hans-SG", "Summit shirt 到货了", "到商店查看"),
        ("ms_SG", "ms-SG", "Summit shirt sudah kembali", "Lihat di kedai"),
        ("ta_SG", "ta-SG", "Summit shirt மீண்டும் வந்துவிட்டது", "கடையில் பார்க்கவும்"),
    ],
)
def test_the_message_says_what_is_back_and_where_in_the_language_of_whoever_asked(
    database: Database, settings: Settings, locale: str, tag: str, subject: str, see: str
) -> None:
    with database.transaction() as session:
        product = sold_out(session, title="Summit shirt")
        waitlist.ask(session, product.id, MEI, locale=locale, story_url="https://news.example/kim")
        receive(session, product, 1)
    waiting.tell_waiting(database)
    workshop = Workshop(settings)
    try:
        with database.transaction() as session:
            letter = take(session, now())
        assert letter is not None
        message = workshop.compose(letter)
    finally:
        workshop.close()
    assert (message["Subject"], message["Content-Language"]) == (subject, tag)
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        content = body.get_content()
        for words in ("http://localhost/products/tee", "https://news.example/kim", see, "39.00"):
            assert words in content
