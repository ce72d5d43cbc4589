"""Caches in front of the shop are told what to forget: after the change can be seen, and until they have taken it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from werkzeug import Response

from shop.catalog import purge_sending, purging
from shop.catalog.editing import archive
from shop.catalog.models import Purge
from shop.catalog.purge_sending import has_due, purge_due
from shop.catalog.purging import purge
from shop.config import BadSettings, Settings
from shop.db import Database, now
from shop.web.kept_answers import LOOK_EVERY
from tests.builders import a_product
from tests.support.serving import serving

Make = Callable[..., Settings]


@dataclass
class Cache:
    """A cache's door for PURGE: it notes what it is told, and answers as a test wishes."""

    url: str = ""
    answer: str = "200 OK"
    asked: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.asked.append(
            {
                "method": environ["REQUEST_METHOD"],
                "keys": environ.get("HTTP_SURROGATE_KEY", ""),
                "key": environ.get("HTTP_FASTLY_KEY", ""),
            }
        )
        return Response(status=self.answer)(environ, start_response)

    @property
    def keys(self) -> list[str]:
        return [key for asked in self.asked for key in asked["keys"].split()]


@pytest.fixture
def cache() -> Iterator[Cache]:
    cache = Cache()
    with serving(cache) as served:
        cache.url = f"{served.url}/"
        yield cache


@pytest.fixture
def settings(make_settings: Make, cache: Cache) -> Settings:
    return make_settings(shop_purge_url=cache.url)


def write_down(database: Database, *keys: str) -> None:
    with database.transaction() as session:
        purge(session, *keys)


def make_due(database: Database) -> None:
    with database.transaction() as session:
        session.execute(sa.update(Purge).values(due_at=now() - timedelta(seconds=1)))


def rows(database: Database) -> list[Purge]:
    with database.reading() as session:
        return list(session.scalars(sa.select(Purge).order_by(Purge.id)))


def test_the_cache_is_told_the_keys_once_and_the_rows_are_gone(
    database: Database, settings: Settings, cache: Cache
) -> None:
    write_down(database, "product-1", "catalogue", "product-1")
    write_down(database, "article-7", "catalogue")
    make_due(database)
    assert purge_due(database, settings).keys == 3
    assert purge_due(database, settings).keys == 0
    assert cache.asked == [{"method": "PURGE", "keys": "product-1 catalogue article-7", "key": ""}]
    assert rows(database) == []


def test_it_is_told_only_when_every_process_of_the_shop_has_seen_the_change(
    database: Database, settings: Settings, cache: Cache
) -> None:
    assert timedelta(seconds=2 * LOOK_EVERY) <= purging.AFTER
    write_down(database, "product-1")
    assert not has_due(database)
    purge_due(database, settings)
    assert cache.asked == []
    make_due(database)
    assert has_due(database)


@pytest.mark.parametrize("answer", ["500 Internal Server Error", "405 Method Not Allowed", "302 Found"])
def test_a_cache_that_does_not_take_it_is_told_again_later(
    database: Database, settings: Settings, cache: Cache, answer: str
) -> None:
    write_down(database, "product-1")
    make_due(database)
    cache.answer = answer
    assert purge_due(database, settings).later == 1
    (row,) = rows(database)
    assert (row.attempts, row.error) == (1, f"it answered {answer[:3]}")
    assert row.due_at is not None
    assert row.due_at > now()
    cache.answer = "200 OK"
    make_due(database)
    assert purge_due(database, settings).keys == 1
    assert cache.keys == ["product-1", "product-1"]


def test_a_cache_that_is_not_there_is_told_again_later_and_given_up_after_a_day(
    database: Database, make_settings: Make
) -> None:
    settings = make_settings(shop_purge_url="http://127.0.0.1:9/")
    write_down(database, "product-1")
    make_due(database)
    assert purge_due(database, settings).later == 1
    assert [row.error for row in rows(database)] == ["ConnectionError"]
    make_due(database)
    with database.transaction() as session:
        session.execute(sa.update(Purge).values(created_at=now() - purge_sending.GIVEN_UP_AFTER - timedelta(1)))
    purge_due(database, settings)
    assert rows(database) == []


def test_many_keys_go_out_in_headers_of_a_bearable_length(database: Database, settings: Settings, cache: Cache) -> None:
    for number in range(purge_sending.ROWS_AT_ONCE + 10):
        write_down(database, *(f"article-{number}-{n}" for n in range(5)))
    make_due(database)
    assert purge_due(database, settings).keys == 5 * (purge_sending.ROWS_AT_ONCE + 10)
    assert max(len(asked["keys"].split()) for asked in cache.asked) <= purge_sending.KEYS_AT_ONCE
    assert len(set(cache.keys)) == 5 * (purge_sending.ROWS_AT_ONCE + 10)


def test_another_networks_method_and_key_are_used(database: Database, make_settings: Make, cache: Cache) -> None:
    settings = make_settings(
        shop_purge_url=cache.url, shop_purge_method="POST", shop_purge_header="Fastly-Key: secret of ours"
    )
    write_down(database, "stories")
    make_due(database)
    purge_due(database, settings)
    assert cache.asked == [{"method": "POST", "keys": "stories", "key": "secret of ours"}]


def test_without_a_cache_nothing_piles_up(database: Database, make_settings: Make) -> None:
    write_down(database, "product-1")
    make_due(database)
    purge_due(database, make_settings())
    assert rows(database) == []


def test_a_product_that_is_taken_from_sale_is_forgotten_wherever_it_is_shown(
    database: Database, settings: Settings, cache: Cache
) -> None:
    with database.transaction() as session:
        product_id = a_product(session).id
        archive(session, product_id)
    make_due(database)
    purge_due(database, settings)
    assert cache.keys == [f"product-{product_id}", "catalogue"]


def test_a_change_that_is_rolled_back_tells_nobody(database: Database) -> None:
    with database.transaction() as session:
        purge(session, "product-1")
        session.rollback()
    assert rows(database) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"shop_purge_url": "ftp://cache/"},
        {"shop_purge_url": "cache"},
        {"shop_cdn_seconds": "300"},
        {"shop_purge_header": "no header\nat all"},
    ],
)
def test_settings_that_would_leave_merchandise_where_it_was_taken_away_are_refused(
    make_settings: Make, wrong: dict[str, str]
) -> None:
    with pytest.raises(BadSettings, match=next(iter(wrong)).upper()):
        make_settings(**wrong)
