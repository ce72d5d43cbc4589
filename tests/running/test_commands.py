"""Each command of `shop`: what it does, and the one line that it says when it cannot."""

import os
import pty
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from shop import __version__
from shop.db import Database
from shop.staff.models import StaffUser
from tests.support import postgres
from tests.support.commands import SHOP, free_ports, listening, run, running

Environment = Callable[..., dict[str, str]]
PASSWORD = "correct-horse-battery"
NEED_TABLES = (
    ["serve"],
    ["serve", "--with-worker"],
    ["worker"],
    ["create-admin", "a@example.com"],
    ["seed"],
    ["sweep"],
    ["reconcile"],
)


def tell(command: list[str]) -> str:
    return " ".join(command)


def test_help_lists_the_commands_in_the_order_in_which_they_are_needed(unmigrated: Environment) -> None:
    ran = run("--help", env=unmigrated())
    assert ran.status == 0
    told = [ran.out.index(f"\n  {name} ") for name in ("demo", "serve", "worker", "migrate", "create-admin", "seed")]
    assert told == sorted(told)
    assert __version__ in run("--version", env=unmigrated()).out


def test_without_a_command_the_help_is_shown_and_nothing_done(unmigrated: Environment) -> None:
    ran = run(env=unmigrated())
    assert (ran.status, "Commands:" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "nonsense"),
        (["serve", "--fast"], "--fast"),
        (["create-admin"], "EMAIL"),
        (["migrate", "tomorrow"], "tomorrow"),
        (["--env-file", "/nowhere/.env", "migrate"], "/nowhere/.env"),
    ],
)
def test_a_command_line_that_is_not_understood(unmigrated: Environment, words: list[str], said: str) -> None:
    refusal = run(*words, env=unmigrated()).refusal
    assert said in refusal
    assert "--help" in refusal


@pytest.mark.parametrize("command", NEED_TABLES, ids=tell)
def test_what_needs_the_tables_says_to_migrate_first(unmigrated: Environment, command: list[str]) -> None:
    ran = run(*command, env=unmigrated(SHOP_ADMIN_PASSWORD=PASSWORD, SHOP_PORT=free_ports(1)[0]))
    assert "shop migrate" in ran.refusal


@pytest.mark.parametrize("command", [*NEED_TABLES, ["migrate"]], ids=tell)
def test_a_database_that_is_away_is_told_without_its_password(unmigrated: Environment, command: list[str]) -> None:
    away = f"postgresql+psycopg://shop:hush-hush@127.0.0.1:{free_ports(1)[0]}/shop"
    ran = run(*command, env=unmigrated(SHOP_DATABASE_URL=away, SHOP_ADMIN_PASSWORD=PASSWORD))
    assert "SHOP_DATABASE_URL" in ran.refusal
    assert "hush" not in ran.refusal


@pytest.mark.parametrize("command", [["serve"], ["migrate"]], ids=tell)
def test_a_database_of_a_newer_release_is_left_alone(prepared: Environment, command: list[str], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "var" / "shop.db") as tables:
        tables.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in run(*command, env=prepared()).refusal


def test_what_is_kept_is_for_the_shop_s_own_user(unmigrated: Environment, tmp_path: Path) -> None:
    assert run("migrate", env=unmigrated()).status == 0
    assert oct((tmp_path / "var" / "shop.db").stat().st_mode)[-3:] == "600"


def test_a_data_folder_that_cannot_be_made(unmigrated: Environment) -> None:
    assert "SHOP_DATA" in run("migrate", env=unmigrated(SHOP_DATA="/proc/nowhere/var")).refusal


def test_settings_that_are_wrong_are_told_line_by_line(unmigrated: Environment) -> None:
    ran = run("serve", env=unmigrated(SHOP_PORT="eighty", SHOP_CURRENCY="beans"))
    assert (ran.status, ran.out) == (2, "")
    assert [line.partition(":")[0].strip() for line in ran.err.splitlines()[1:]] == ["SHOP_CURRENCY", "SHOP_PORT"]


def test_migrating_postgresql_and_making_an_owner_there(unmigrated: Environment, postgres_server: str) -> None:
    url = postgres.fresh_database(postgres_server, "shop_command")
    settings = unmigrated(SHOP_DATABASE_URL=url, SHOP_ADMIN_PASSWORD=PASSWORD)
    assert "shop migrate" in run("sweep", env=settings).refusal
    assert run("migrate", env=settings).out == "The database is up to date.\n"
    assert run("migrate", env=settings).out == "The database is up to date.\n"
    assert run("create-admin", "desk@example.com", env=settings).status == 0
    database = Database.connect(url)
    try:
        with database.reading() as session:
            assert session.scalars(sa.select(StaffUser.email)).all() == ["desk@example.com"]
    finally:
        database.close()


def test_an_owner_is_made_once(prepared: Environment) -> None:
    settings = prepared(SHOP_ADMIN_PASSWORD=PASSWORD, SHOP_URL="http://127.0.0.1:8199")
    made = run("create-admin", "Desk@Example.com", env=settings)
    assert (made.status, made.out) == (0, "desk@example.com may log in at http://127.0.0.1:8199/admin.\n")
    assert "account already" in run("create-admin", "desk@example.com", env=settings).refusal


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [
        ("desk", PASSWORD, "e-mail address"),
        ("desk@", PASSWORD, "e-mail address"),
        ("desk@example.com", "short", "12 characters"),
        ("desk@example.com", "", "SHOP_ADMIN_PASSWORD"),
    ],
)
def test_an_owner_who_cannot_be_made(prepared: Environment, email: str, password: str, said: str) -> None:
    refusal = run("create-admin", email, env=prepared(SHOP_ADMIN_PASSWORD=password)).refusal
    assert said in refusal
    assert not password or password not in refusal


def test_the_password_is_asked_for_at_a_terminal_and_not_shown(prepared: Environment) -> None:
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen([*SHOP, "create-admin", "desk@example.com"], env=prepared(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)  # fmt: skip
        seen = ""
        for prompt in ("Password: ", "Repeat for confirmation: "):
            while not seen.endswith(prompt):
                seen += os.read(ours, 1024).decode()
            os.write(ours, f"{PASSWORD}\n".encode())
        while "may log in" not in seen:
            seen += os.read(ours, 1024).decode()
        assert process.wait(30) == 0
    finally:
        os.close(theirs)
        os.close(ours)
    assert PASSWORD not in seen


def test_sweeping_an_empty_shop(prepared: Environment) -> None:
    ran = run("sweep", env=prepared())
    assert (ran.status, ran.out) == (
        0,
        (
            "0 closed, 0 looked at, 0 postponed, 0 refunds\n"
            "events tried again: 0 applied, 0 ignored, 0 waiting, 0 failed\n"
        ),
    )


def test_settings_come_from_a_file_where_the_environment_has_none(unmigrated: Environment, tmp_path: Path) -> None:
    written = tmp_path / "shop.env"
    written.write_text(f"SHOP_DATA={tmp_path / 'elsewhere'}\nSHOP_PORT=eighty\nSHOP_LOCALE=\n", encoding="utf-8")
    settings = unmigrated(SHOP_PORT=8000)
    del settings["SHOP_DATA"]
    assert run("--env-file", str(written), "migrate", env=settings).status == 0
    assert (tmp_path / "elsewhere" / "shop.db").is_file()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
@pytest.mark.parametrize("command", [["serve"], ["sandbox"]], ids=tell)
def test_a_port_on_which_somebody_listens_already(prepared: Environment, command: list[str], host: str) -> None:
    with listening(host) as port:
        variable = "SHOP_PORT" if command == ["serve"] else "SANDBOX_PORT"
        refusal = run(*command, env=prepared(**{variable: port})).refusal
    assert f"port {port} is in use" in refusal
    assert variable in refusal


def test_a_queue_that_is_away(prepared: Environment) -> None:
    away = f"redis://:hush-hush@127.0.0.1:{free_ports(1)[0]}/0"
    refusal = run("worker", env=prepared(SHOP_QUEUE_URL=away)).refusal
    assert "SHOP_QUEUE_URL" in refusal
    assert "hush" not in refusal


def test_the_local_stripe_refuses_live_keys(prepared: Environment) -> None:
    assert "live keys" in run("sandbox", env=prepared(STRIPE_SECRET_KEY="sk_live_" + "l" * 24)).refusal


@pytest.mark.parametrize("command", ["sandbox", "newsroom"])
def test_production_runs_no_demo(prepared: Environment, command: str) -> None:
    production = {
        "SHOP_ENV": "production",
        "SHOP_URL": "https://shop.example.com",
        "SHOP_SECRET_KEY": "s" * 40,
        "SHOP_ALLOW_SQLITE": "true",
        "SHOP_MAIL_URL": "smtp://127.0.0.1:25",
        "SHOP_MAIL_FROM": "shop@example.com",
        "SHOP_PUBLISHER_HOSTS": "www.example.com",
    }
    assert "SHOP_ENV=production" in run(command, env=prepared(**production)).refusal


def test_the_local_stripe_listens_on_this_machine_only(prepared: Environment, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with running("sandbox", env=prepared(SANDBOX_PORT=port, SHOP_HOST="0.0.0.0"), log=tmp_path / "log") as sandbox:
        sandbox.answers(f"http://127.0.0.1:{port}/healthz")
        listeners = {line.split()[1] for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]}
        assert {address.partition(":")[0] for address in listeners if address.endswith(f":{port:04X}")} == {"0100007F"}
        assert sandbox.stop() == 0
        assert sandbox.nobody_is_left()
