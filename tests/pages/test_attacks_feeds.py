"""What somebody may write into a feed or into a frame's address, and what becomes of it on the shop's pages."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from shop.articles.feeds import add_feed, poll_due
from shop.articles.models import Article, ArticleTag
from shop.articles.rules import Rule
from shop.articles.tying import Draft, tie
from shop.config import Settings
from shop.db import Database
from shop.tasks import close_queue, queue_for
from tests.builders import a_product
from tests.support.feeds import item, rss
from tests.support.publisher import Publisher, publishing

ALERT = "<script>alert(1)</script>"
IN_A_FEED = "&lt;script&gt;alert(1)&lt;/script&gt; \"'&gt;&lt;img src=x onerror=alert(1)&gt;"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def settings(make_settings: Callable[..., Settings], publisher: Publisher) -> Settings:
    return make_settings(shop_publisher_hosts=publisher.netloc)


def test_markup_in_a_feed_is_text_in_the_database_and_on_every_page(
    app: Flask, settings: Settings, database: Database, publisher: Publisher
) -> None:
    more = f'<category>{IN_A_FEED}</category><category domain="x/section">{IN_A_FEED}</category>'
    publisher.says("/feed", rss(item("/1", IN_A_FEED, more)))
    with database.transaction() as session:
        add_feed(session, f"{publisher.url}/feed", settings.shop_publisher_hosts)
    poll_due(database, settings)
    with database.transaction() as session:
        assert ALERT in session.scalars(select(Article.title)).one()
        tag = session.scalars(select(ArticleTag.tag)).one()
        assert ALERT in tag
        product_id = a_product(session, "mug").id
        tie(session, Draft((product_id,), rule=Rule(tag=tag[:80]), cta=ALERT))
    reader = app.test_client()
    frame = reader.get("/embed/frame", query_string={"story": f"{publisher.url}/1"})
    assert 'data-state="offer"' in frame.text
    assert ALERT not in frame.text
    assert "<img src=x" not in frame.text
    assert "&lt;script&gt;" in frame.text


def test_a_thousand_unknown_addresses_make_no_row_and_one_question(
    client: FlaskClient, settings: Settings, database: Database, publisher: Publisher
) -> None:
    for number in range(1000):
        story = f"{publisher.url}/{number}?x={number}"
        assert client.get("/embed/frame", query_string={"story": story, "title": "x", "tags": "a,b"}).status_code == 200
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Article)) == 0
    queue = queue_for(settings)
    assert queue.pending_count() < 30  # one in a second
    close_queue(queue)
    assert publisher.asked == []
