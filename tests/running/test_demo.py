"""`shop demo`, from the installed wheel: four parts that start, answer and stop together, and data that stays."""

import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import requests

from tests.running.conftest import Demo, FirstStart
from tests.support.commands import answers_nothing, environment, free_ports, listening, run, running
from tests.support.serving import eventually

LOGIN = re.compile(r"log in as +(\S+)  password (\S+)")
REAL_KEYS = {"STRIPE_SECRET_KEY": "sk_test_" + "r" * 24, "STRIPE_WEBHOOK_SECRET": "whsec_" + "r" * 32}


def test_the_demo_says_where_everything_is_and_all_of_it_answers(first_start: FirstStart, demo: Demo) -> None:
    assert set(first_start.answered.values()) == {200}, first_start.answered
    for name in demo.ports:
        assert any(address.startswith(demo.url(name)) for address in first_start.answered), name
    assert LOGIN.search(first_start.said)
    assert "4242 4242 4242 4242" in first_start.said


def test_an_order_at_the_demo_is_paid_because_the_local_stripe_says_so(first_start: FirstStart) -> None:
    number, _, status = first_start.order
    assert number.startswith("U-")
    assert status == "paid"


def test_ctrl_c_stops_all_of_the_demo_in_good_order(first_start: FirstStart, demo: Demo) -> None:
    assert (first_start.status, first_start.left) == (0, 0)
    assert first_start.log.endswith("Stopped.\n")
    assert "Traceback" not in first_start.log
    assert all(answers_nothing(port) for port in demo.ports.values())


def test_started_again_the_demo_has_its_login_and_its_orders(
    first_start: FirstStart, demo: Demo, tmp_path: Path
) -> None:
    number, token, _ = first_start.order
    stocked = demo.rows("SELECT id, on_hand FROM variants")
    with running("demo", env=demo.environment(), log=tmp_path / "log", program=demo.program, cwd=tmp_path) as again:
        said = again.says("Ctrl-C stops everything.")
        assert LOGIN.findall(said) == LOGIN.findall(first_start.said)
        assert number in requests.get(f"{demo.url('SHOP_PORT')}/orders/{token}", timeout=60).text
        assert demo.rows("SELECT id, on_hand FROM variants") == stocked
        assert "Preparing" not in said

        # Nobody runs two demos in one folder, nor empties it under a demo's feet.
        another = environment(
            SHOP_DATA=demo.folder, **dict(zip(demo.ports, free_ports(3), strict=True)) | {"SHOP_LOG_LEVEL": "info"}
        )
        for command in ("demo", "demo-reset"):
            assert "runs in" in run(command, env=another, program=demo.program).err

        assert again.stop(signal.SIGTERM) == 0
        assert again.nobody_is_left()


def test_with_keys_of_the_real_stripe_the_local_one_does_not_start(
    first_start: FirstStart, demo: Demo, tmp_path: Path
) -> None:
    settings = demo.environment(**REAL_KEYS)
    with running("demo", env=settings, log=tmp_path / "log", program=demo.program, cwd=tmp_path) as real:
        said = real.says("Ctrl-C stops everything.")
        assert "the local Stripe is not started" in said
        assert answers_nothing(demo.ports["SANDBOX_PORT"])
        for name in ("SHOP_PORT", "NEWSROOM_PORT"):
            assert requests.get(f"{demo.url(name)}/healthz", timeout=60).status_code == 200
        assert LOGIN.findall(said) == LOGIN.findall(first_start.said)
        assert real.stop(signal.SIGINT, group=True) == 0
        assert real.nobody_is_left()


def test_killed_outright_the_demo_leaves_nobody_behind(first_start: FirstStart, demo: Demo, tmp_path: Path) -> None:
    with running("demo", env=demo.environment(), log=tmp_path / "log", program=demo.program) as started:
        started.says("Ctrl-C stops everything.")
        assert len(started.everyone()) >= 5
        started.stop(signal.SIGKILL)
        assert started.nobody_is_left()


def test_the_demo_under_development_starts_anew_when_a_file_changes(
    first_start: FirstStart, demo: Demo, tmp_path: Path
) -> None:
    (style,) = (Path(demo.program[0]).parent.parent / "lib").glob("python3*/site-packages/shop/web/static/shop.css")
    with running("dev", env=demo.environment(), log=tmp_path / "log", program=demo.program) as started:
        started.says("Ctrl-C stops everything.")
        before = started.everyone()
        style.write_text(style.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        started.says("Started anew.")
        assert set(before) & set(started.everyone()) == {started.process.pid}
        assert requests.get(f"{demo.url('SHOP_PORT')}/readyz", timeout=60).status_code == 200
        assert started.stop(signal.SIGINT, group=True) == 0
        assert started.nobody_is_left()


def test_ctrl_c_while_the_catalogue_is_drawn_ends_the_demo_without_a_word_too_many(tmp_path: Path) -> None:
    ports = dict(zip(("SHOP_PORT", "SANDBOX_PORT", "NEWSROOM_PORT"), free_ports(3), strict=True))
    with running("demo", env=environment(SHOP_DATA=tmp_path / "var", **ports), log=tmp_path / "log") as started:
        started.says("Preparing")
        eventually(lambda: len(started.everyone()) >= 3, 60)  # those who draw have come
        assert started.stop(signal.SIGINT, group=True) == 0
        assert started.nobody_is_left()
    assert started.said() == "Preparing the catalogue, once ...\n\nStopped.\n"


@pytest.mark.parametrize("name", ["SHOP_PORT", "SANDBOX_PORT", "NEWSROOM_PORT"])
def test_a_port_in_use_is_told_before_anything_is_made(tmp_path: Path, name: str) -> None:
    ports = dict(zip(("SHOP_PORT", "SANDBOX_PORT", "NEWSROOM_PORT"), free_ports(3), strict=True))
    with listening("0.0.0.0") as port:
        ran = run("demo", env=environment(SHOP_DATA=tmp_path / "var", **ports | {name: port}))
    assert f"port {port} is in use: set {name}" in ran.refusal
    assert not (tmp_path / "var" / "shop.db").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"SHOP_PORT": "8199", "SANDBOX_PORT": "8198", "NEWSROOM_PORT": "8199"}, "both 8199"),
        ({"STRIPE_SECRET_KEY": REAL_KEYS["STRIPE_SECRET_KEY"]}, "STRIPE_WEBHOOK_SECRET is not"),
        ({"STRIPE_WEBHOOK_SECRET": REAL_KEYS["STRIPE_WEBHOOK_SECRET"]}, "STRIPE_SECRET_KEY is not"),
        ({"SHOP_ENV": "production"}, "SHOP_ENV"),
        ({"SHOP_DATA": "/proc/nowhere"}, "SHOP_DATA"),
        ({"SHOP_DATABASE_URL": "postgresql+psycopg://u:hush@127.0.0.1:9/shop"}, "SHOP_DATABASE_URL"),
    ],
    ids=lambda given: "" if isinstance(given, str) else " ".join(given),
)
def test_a_demo_that_cannot_be(tmp_path: Path, settings: Mapping[str, str], said: str) -> None:
    ports = dict(zip(("SHOP_PORT", "SANDBOX_PORT", "NEWSROOM_PORT"), free_ports(3), strict=True))
    ran = run("demo", env=environment(**{"SHOP_DATA": tmp_path / "var", **ports, **settings}))
    assert said in ran.refusal
    assert "hush" not in ran.refusal


def test_a_live_key_never_goes_to_a_local_stripe(tmp_path: Path) -> None:
    live = {"STRIPE_SECRET_KEY": "sk_live_" + "hush" * 6, "STRIPE_WEBHOOK_SECRET": "whsec_" + "r" * 32}
    ran = run("demo", env=environment(SHOP_DATA=tmp_path / "var", STRIPE_API_BASE="http://127.0.0.1:8198", **live))
    assert ran.status == 2
    assert "STRIPE_API_BASE: a live key never goes to a local Stripe" in ran.err
    assert "hush" not in ran.err


def test_the_demo_takes_no_folder_that_holds_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear to somebody", encoding="utf-8")
    settings = environment(SHOP_DATA=tmp_path)
    assert "SHOP_DATA" in run("demo", env=settings).refusal
    assert "holds no demo" in run("demo-reset", env=settings).out
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_resetting_empties_the_folder_of_a_demo(first_start: FirstStart, demo: Demo, tmp_path: Path) -> None:
    copy = tmp_path / "var"
    # SQLite's files beside a database come and go with whoever has it open.
    shutil.copytree(demo.folder, copy, ignore=shutil.ignore_patterns("*-shm", "*-wal"))
    ran = run("demo-reset", env=environment(SHOP_DATA=copy))
    assert (ran.status, ran.out) == (0, f"{copy} is empty now.\n")
    assert list(copy.iterdir()) == []
