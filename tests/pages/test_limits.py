"""Limits are counted elsewhere when several machines serve: a counter that is away keeps no reader waiting."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from shop.app import create_app
from shop.config import Settings


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes every connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]


@pytest.fixture
def app(make_settings: Callable[..., Settings], silent_server: int) -> Iterator[Flask]:
    app = create_app(make_settings(shop_limits_url=f"redis://127.0.0.1:{silent_server}/0"))
    yield app
    app.extensions["understory"].database.close()


def test_a_redis_that_says_nothing_counts_nothing_and_holds_nobody_up(app: Flask) -> None:
    begun = time.monotonic()
    answer = app.test_client().post("/embed/frame", data={"product": "nothing"})
    assert answer.status_code == 404
    assert time.monotonic() - begun < 5
