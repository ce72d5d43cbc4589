"""The worker and the publisher's servers: asked every minute if due, looked at when a reader comes, and never in the others' way."""

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select

from shop.articles.feeds import add_feed
from shop.articles.models import Article
from shop.config import Settings
from shop.db import Database
from shop.tasks import Tasks, asking_worker, close_queue, queue_for, tasks_on, worker_for
from shop.workshop import Workshop
from tests.support.feeds import html, item, metas, rss
from tests.support.publisher import Asked, Publisher, head, publishing
from tests.support.serving import eventually

HTML = "text/html; charset=utf-8"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


@pytest.fixture
def settings(make_settings: Callable[..., Settings], publisher: Publisher) -> Settings:
    return make_settings(shop_publisher_hosts=publisher.netloc)


@pytest.fixture
def tasks(settings: Settings) -> Iterator[Tasks]:
    tasks = tasks_on(queue_for(settings), Workshop(settings))
    yield tasks
    tasks.workshop.close()
    close_queue(tasks.queue)


def known(database: Database) -> set[str]:
    with database.reading() as session:
        return set(session.scalars(select(Article.url)))


def test_the_worker_asks_feeds_that_are_due(tasks: Tasks, database: Database, publisher: Publisher) -> None:
    publisher.says("/feed", rss(item("/1")))
    with database.transaction() as session:
        add_feed(session, f"{publisher.url}/feed", (publisher.netloc,))
    tasks.poll_feeds.call_local()
    tasks.poll_feeds.call_local()
    assert known(database) == {f"{publisher.url}/1"}
    assert publisher.paths() == ["/feed"]


def test_a_frame_s_unknown_story_is_looked_at_by_the_worker_and_makes_no_row_of_its_own(
    tasks: Tasks, app: Flask, database: Database, publisher: Publisher
) -> None:
    url = f"{publisher.url}/story"
    publisher.says("/story", html(metas(url)), content_type=HTML)
    reader = app.test_client()
    for story in (url, f"{url}?utm_source=x", "https://elsewhere.example/story"):
        assert (
            reader.get("/embed/frame", query_string={"story": story, "title": "A stranger's word"}).status_code == 200
        )
    eventually(lambda: tasks.queue.pending_count() == 1)
    assert known(database) == set()
    worker = worker_for(tasks)
    running = threading.Thread(target=worker.run)
    running.start()
    try:
        eventually(lambda: known(database) == {url})
    finally:
        worker.stop(graceful=True)
        running.join(20)
    with database.reading() as session:
        assert session.execute(select(Article.title, Article.source)).one() == ("A story", "page")
    assert publisher.paths() == ["/story"]


def test_one_thread_of_a_process_asks_at_a_time(tasks: Tasks, database: Database, publisher: Publisher) -> None:
    over = threading.Event()
    begun = threading.Event()

    def slowly(send: Callable[[bytes], None], asked: Asked) -> None:
        begun.set()
        over.wait(10)
        send(head(200) + rss().encode())

    publisher.does("/feed", slowly)
    publisher.says("/story", html(metas(f"{publisher.url}/story")), content_type=HTML)
    with database.transaction() as session:
        add_feed(session, f"{publisher.url}/feed", (publisher.netloc,))
    polling = threading.Thread(target=tasks.poll_feeds.call_local)
    polling.start()
    assert begun.wait(10)
    tasks.look_at_story.call_local(f"{publisher.url}/story")
    tasks.poll_feeds.call_local()
    assert publisher.paths() == ["/feed"]
    over.set()
    polling.join(10)
    tasks.look_at_story.call_local(f"{publisher.url}/story")
    assert known(database) == {f"{publisher.url}/story"}


def test_a_queue_that_is_away_is_nothing_to_a_reader(make_settings: Callable[..., Settings]) -> None:
    ask = asking_worker(make_settings(shop_queue_url="redis://127.0.0.1:9/0"))
    assert ask("https://www.example.com/story") is False
