"""`shop serve` and `shop worker`: how many processes they are, and that all of them end, whichever way they are ended."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import answers_nothing, free_ports, running
from tests.support.serving import eventually

Environment = Callable[..., dict[str, str]]
STOPS = pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)],
    ids=["SIGTERM", "SIGTERM to all, as systemd stops a unit", "Ctrl-C"],
)


@STOPS
def test_the_server_has_the_processes_of_the_settings_and_ends_in_good_order(
    prepared: Environment, tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    port = free_ports(1)[0]
    settings = prepared(SHOP_PORT=port, SHOP_WORKERS=1)
    with running("serve", env=settings, log=tmp_path / "log") as server:
        server.answers(f"http://127.0.0.1:{port}/readyz")
        assert len(server.everyone()) == 2  # the main process and its worker
        assert server.stop(number, group=group) == 0, server.said()
        assert server.nobody_is_left()
    assert "Traceback" not in server.said()
    assert "Consider" not in server.said()  # it does not doubt its own defaults
    assert answers_nothing(port)


@STOPS
def test_a_worker_beside_the_server_ends_with_it(
    prepared: Environment, tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    port = free_ports(1)[0]
    with running("serve", "--with-worker", env=prepared(SHOP_PORT=port), log=tmp_path / "log") as server:
        server.says("worker started")
        server.answers(f"http://127.0.0.1:{port}/readyz")
        assert server.stop(number, group=group) == 0, server.said()
        assert server.nobody_is_left()
    assert "worker stopped" in server.said()
    assert "Traceback" not in server.said()


def test_a_server_that_is_stopped_while_it_starts_does_not_make_anybody_wait(
    prepared: Environment, tmp_path: Path
) -> None:
    with running("serve", env=prepared(SHOP_PORT=free_ports(1)[0]), log=tmp_path / "log") as server:
        eventually(lambda: len(server.everyone()) == 3)
        assert server.stop() == 0, server.said()
        assert server.nobody_is_left()


@pytest.mark.parametrize("words", [["serve"], ["serve", "--with-worker"]], ids=" ".join)
def test_a_server_that_is_killed_outright_leaves_nobody_behind(
    prepared: Environment, tmp_path: Path, words: list[str]
) -> None:
    port = free_ports(1)[0]
    with running(*words, env=prepared(SHOP_PORT=port), log=tmp_path / "log") as server:
        server.answers(f"http://127.0.0.1:{port}/readyz")
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        assert server.nobody_is_left()
    assert answers_nothing(port)


def test_when_the_worker_beside_it_ends_so_does_the_server(prepared: Environment, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    settings = prepared(SHOP_PORT=port, SHOP_QUEUE_URL=f"redis://127.0.0.1:{free_ports(1)[0]}/0")
    with running("serve", "--with-worker", env=settings, log=tmp_path / "log") as server:
        assert server.process.wait(60) == 2
        assert server.nobody_is_left()
    assert server.said().splitlines()[-1] == "worker did not start: exit status 2"
    assert "SHOP_QUEUE_URL" in server.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_apart_runs_until_it_is_asked_to_stop(
    prepared: Environment, tmp_path: Path, number: signal.Signals
) -> None:
    with running("worker", env=prepared(), log=tmp_path / "log") as worker:
        worker.says("worker started")
        assert worker.stop(number) == 0
        assert worker.nobody_is_left()
    assert "worker stopped" in worker.said()
