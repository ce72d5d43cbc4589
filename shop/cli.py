"""The `shop` command. Each command is a few lines that call what does the work; `shop --help` lists them."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from shop import __version__
from shop.errors import ShopError
from shop.sandbox_commands import COMMANDS as SANDBOX_COMMANDS

if TYPE_CHECKING:
    from shop.checkout.replay import Replayed
    from shop.checkout.runs import Progress
    from shop.config import Settings
    from shop.db import Database


class InOrder(click.Group):
    """A group that lists its commands in the order in which they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class Shop(InOrder):
    """A group whose commands say no in one clear line on standard error, with status 2 and without a traceback."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        try:
            status = super().main(*args, **extra | {"standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            _refuse(error.format_message())
        except click.UsageError as error:
            asked = error.ctx.command_path if error.ctx else "shop"
            _refuse(f"{error.format_message()} `{asked} --help` says more.")
        except (click.ClickException, ShopError) as error:
            _refuse(str(error))
        except click.Abort:
            sys.exit(130)  # Ctrl-C before there was anything to stop
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: click.Context) -> object:
        from shop.stopping import follow_parent

        follow_parent()
        return super().invoke(ctx)


def _refuse(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(2)


@click.group(cls=Shop, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="Understory")
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read settings from this file too; what the environment sets wins.",
)
def main(env_file: Path | None) -> None:
    """Understory, the shop under the story.

    Settings come from the environment; docs/operating.md lists them.
    """
    # Database, mail and keys are for the shop's own user alone; pictures reach readers through the shop.
    os.umask(0o077)
    if env_file is not None:
        from dotenv import dotenv_values

        for name, value in dotenv_values(env_file).items():
            os.environ.setdefault(name, value or "")


def _settings() -> "Settings":
    from shop import logs
    from shop.config import Settings

    settings = Settings.load()
    logs.set_up(settings.shop_log_level, settings.shop_log_format)
    return settings


@contextmanager
def _said_in_a_line() -> "Iterator[None]":
    """What a database or a file says when it cannot be used becomes one clear line."""
    from sqlalchemy.exc import OperationalError

    from shop.processes import CannotRun

    try:
        yield
    except OperationalError as error:
        said = str(error.orig).strip().splitlines()[0]
        raise CannotRun(f"the database cannot be used ({said}): see SHOP_DATABASE_URL") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise CannotRun(f"{error.filename} cannot be used ({error.strerror}): see SHOP_DATA") from error


@contextmanager
def _database(settings: "Settings", *, migrated: bool = True) -> "Iterator[Database]":
    """The database, closed afterwards. One that wants migrating is refused, unless told otherwise."""
    from shop.db import Database
    from shop.schema import require_current

    with _said_in_a_line():
        database = Database.connect(settings.database_url)
        try:
            if migrated:
                require_current(database)
            yield database
        finally:
            database.close()


def _require_queue(settings: "Settings") -> None:
    """Refuse a queue that does not answer: a worker that is started for nothing should say so, and at once."""
    import sqlite3

    import psycopg
    import redis

    from shop.processes import CannotRun
    from shop.tasks import close_queue, queue_for

    try:
        queue = queue_for(settings)
        try:
            queue.pending_count()
        finally:
            close_queue(queue)
    except (sqlite3.Error, psycopg.Error, redis.RedisError, OSError) as error:
        said = str(error).strip().splitlines()[0]
        raise CannotRun(f"the queue cannot be used ({said}): see SHOP_QUEUE_URL") from error


@main.command()
def demo() -> None:
    """Run a whole demo: shop, local Stripe, worker and a newsroom."""
    from shop.demo.running import run

    with _said_in_a_line():
        run()


@main.command()
def dev() -> None:
    """The demo, started again whenever a file of the shop changes."""
    from shop.demo.running import run

    with _said_in_a_line():
        run(reload=True)


@main.command("demo-reset")
def demo_reset() -> None:
    """Empty the demo's data folder."""
    from shop.demo.keys import data_folder, forget

    folder = data_folder()
    click.echo(f"{folder} is empty now." if forget(folder) else f"{folder} holds no demo.")


@main.command()
@click.option("--with-worker", is_flag=True, help="Run the queue's worker beside it.")
def serve(with_worker: bool) -> None:
    """Serve the shop."""
    settings = _settings()
    from shop import serving

    with _database(settings):
        pass  # closed again before the server makes its workers: connections do not survive that
    if with_worker:
        serving.serve_with_worker(settings)
    else:
        serving.serve(settings)


@main.command()
def worker() -> None:
    """Work off the queue: mail, sweeping, and whatever else is not done while a reader waits."""
    settings = _settings()
    from shop.processes import tell_ready
    from shop.tasks import run_worker

    with _database(settings):
        _require_queue(settings)
    run_worker(settings, ready=tell_ready)


@main.command()
def migrate() -> None:
    """Bring the database's tables to this release."""
    from shop.schema import migrate

    with _database(_settings(), migrated=False) as database:
        migrate(database)
    click.echo("The database is up to date.")


@main.command("create-admin")
@click.argument("email")
def create_admin(email: str) -> None:
    """Make a back office account for EMAIL with the role of owner.

    The password is asked for, or taken from SHOP_ADMIN_PASSWORD.
    """
    settings = _settings()
    from shop.staff.accounts import checked_address, create_admin

    email = checked_address(email)
    with _database(settings) as database:
        password = os.environ.get("SHOP_ADMIN_PASSWORD", "")
        if not password and not sys.stdin.isatty():
            raise click.UsageError("Nobody is there to be asked for the password: set SHOP_ADMIN_PASSWORD.")
        create_admin(database, email, password or click.prompt("Password", hide_input=True, confirmation_prompt=True))
    click.echo(f"{email} may log in at {settings.shop_url}/admin.")


@main.command()
def seed() -> None:
    """Fill the catalogue with the demo's products. What is there already stays as it is."""
    settings = _settings()
    from shop.demo.seed import seed

    with _database(settings) as database:
        seeded = seed(database, settings)
    click.echo(f"{seeded.products} products and {seeded.zones} shipping zones added.")


@main.command()
def sweep() -> None:
    """Close unpaid orders whose time is over, and give their stock back. The worker does this by itself.

    Events of Stripe that are due to be tried again are, too.
    """
    settings = _settings()
    from shop.checkout.replay import retry_due
    from shop.checkout.sweep import sweep
    from shop.payments.gateway import Gateway

    with _database(settings) as database:
        swept = sweep(database, Gateway(settings))
        retried = retry_due(database, Gateway(settings))
    click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in asdict(swept).items()))
    click.echo(f"events tried again: {_counts(retried)}")


def _counts(done: "Replayed") -> str:
    return ", ".join(f"{count} {state}" for state, count in asdict(done).items())


@main.group(cls=InOrder)
def events() -> None:
    """What Stripe has told by webhook, and what became of it."""


@events.command("list")
@click.option("--state", type=click.Choice(["failed", "waiting", "applied", "ignored"]), help="Only those.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
def list_events(state: str | None, limit: int) -> None:
    """List events, the newest first."""
    settings = _settings()
    from shop.payments.inbox import list_events

    with _database(settings) as database, database.reading() as session:
        page = list_events(session, state, limit=limit)
    for event in page.events:
        click.echo(
            f"{event.received_at:%Y-%m-%d %H:%M:%S}  {event.state:<8} {event.attempts:>3}  {event.stripe_id}  {event.type}"
            + (f"  {event.reason}" if event.reason else "")
        )


@events.command()
@click.argument("stripe_id", metavar="ID")
def show(stripe_id: str) -> None:
    """Show all that is known of the event ID but what it said of its buyer."""
    settings = _settings()
    from shop.errors import NotFound
    from shop.payments.inbox import find_event

    with _database(settings) as database, database.reading() as session:
        event = find_event(session, stripe_id)
    if event is None:
        raise NotFound("event")
    for name, value in asdict(event).items():
        click.echo(f"{name.replace('_', ' '):<12} {'' if value is None else value}".rstrip())


@events.command()
@click.argument("stripe_id", metavar="[ID]", required=False)
@click.option("--failed", is_flag=True, help="All that have failed.")
def replay(stripe_id: str | None, failed: bool) -> int:
    """Ask Stripe how the thing stands that the event ID was about, and settle that.

    Settling twice equals settling once. Ends with status 1 when something has failed again.
    """
    if failed == (stripe_id is not None):
        raise click.UsageError("Give the id of one event, or --failed for all that have failed.")
    settings = _settings()
    from shop.checkout.replay import replay, replay_failed
    from shop.payments.gateway import Gateway

    with _database(settings) as database:
        if stripe_id is None:
            done = replay_failed(database, Gateway(settings), actor="shop events replay")
            click.echo(_counts(done))
            return 1 if done.failed else 0
        verdict = replay(database, Gateway(settings), stripe_id, actor="shop events replay")
    click.echo(f"{verdict.state}{': ' if verdict.reason else ''}{verdict.reason}")
    return 1 if verdict.state == "failed" else 0


@main.command()
@click.option("--since", metavar="WHEN", help="From a date (2026-11-01) or so long ago (90m, 12h, 3d, 2w) until now.")
def reconcile(since: str | None) -> int:
    """Compare with Stripe's books, settle what was missed, and list what differs. The worker does this every night.

    Unless told otherwise it goes back to a day before the last run that finished, 30 days at most. Ends with status 1 when
    anything differs.
    """
    settings = _settings()
    from shop.checkout.reconcile import asked_since, open_discrepancies, reconcile
    from shop.db import now
    from shop.errors import PaymentRefused, PaymentUnavailable
    from shop.payments.gateway import Gateway
    from shop.processes import CannotRun

    try:
        moment = asked_since(since, now()) if since else None
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{since} is no date and no age: write 2026-11-01 or 3d.", param_hint="--since"
        ) from error
    with _database(settings) as database:
        try:
            with _progress() as show:
                done = reconcile(database, Gateway(settings), moment, show)
        except (PaymentUnavailable, PaymentRefused) as error:
            said = error.reason if isinstance(error, PaymentRefused) else "it did not answer"
            raise CannotRun(f"Stripe let the comparison end ({said}). What was mended stays; run it again.") from error
        with database.reading() as session:
            differs = open_discrepancies(session)
    click.echo(f"{done.looked_at} looked at, {done.mended} mended, {done.found} found")
    for each in differs:
        click.echo(f"{each.order_number or 'no order'}: {each.cause} [{each.kind}]")
    return 1 if differs else 0


@contextmanager
def _progress() -> "Iterator[Callable[[Progress], None]]":
    """At a terminal one line for each stage, which counts; nothing where nobody looks on."""
    stage = ""

    def show(progress: "Progress") -> None:
        nonlocal stage
        begins = "\r" if progress.stage == stage else "\n" if stage else ""
        stage = progress.stage
        counts = f"{progress.looked_at} looked at, {progress.mended} mended, {progress.found} found"
        click.echo(f"{begins}{stage:<20}{counts}", nl=False, err=True)

    if not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        yield show
    finally:
        if stage:
            click.echo(err=True)


@main.group(cls=InOrder, invoke_without_command=True)
@click.pass_context
def sandbox(context: click.Context) -> None:
    """Run the local Stripe, or tell one that runs what to do.

    It listens on this machine only and moves no money.
    """
    if context.invoked_subcommand is None:
        _serve_sandbox()


for told in SANDBOX_COMMANDS:
    sandbox.add_command(told)


def _serve_sandbox() -> None:
    settings = _settings()
    from shop.processes import CannotRun, require_free_port
    from shop.sandbox import SandboxSettings
    from shop.sandbox.server import serve

    if settings.is_production or settings.livemode:
        raise CannotRun("the local Stripe serves development only: SHOP_ENV=production and live keys are refused")
    require_free_port("127.0.0.1", settings.sandbox_port, "SANDBOX_PORT")
    described = SandboxSettings(
        database=settings.shop_data / "sandbox.db",
        public_url=f"http://127.0.0.1:{settings.sandbox_port}",
        webhook_url=f"http://127.0.0.1:{settings.shop_port}/webhooks/stripe",
        webhook_secret=settings.webhook_secrets[0],
        business_name=settings.shop_name,
    )
    serve(described, port=settings.sandbox_port)


@main.command()
def newsroom() -> None:
    """Run the demo newsroom, a small news site on an origin of its own."""
    settings = _settings()
    from shop.processes import CannotRun
    from shop.serving import serve_newsroom

    if settings.is_production:
        raise CannotRun("the newsroom serves the demo only: SHOP_ENV=production is refused")
    serve_newsroom(settings)
