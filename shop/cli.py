"""The `shop` command. Each command is a few lines that call what does the work; `shop --help` lists them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shop import __version__
from shop.errors import ShopError

if TYPE_CHECKING:
    from shop.config import Settings
    from shop.db import Database


class Refusal(click.ClickException):
    """A ShopError on a terminal: its sentence on standard error, status 2, no traceback."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(self.message, err=True)


class Shop(click.Group):
    """A group whose commands say no in one clear line."""

    def invoke(self, ctx: click.Context) -> object:
        from shop.processes import follow_parent

        try:
            follow_parent()
            return super().invoke(ctx)
        except ShopError as error:
            raise Refusal(str(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which they are needed


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
def _database(settings: "Settings") -> "Iterator[Database]":
    """The database, closed afterwards; one that does not answer becomes one clear line."""
    from sqlalchemy.exc import OperationalError

    from shop.db import Database
    from shop.processes import CannotRun

    database = Database.connect(settings.database_url)
    try:
        yield database
    except OperationalError as error:
        first = str(error.orig).strip().splitlines()[0]
        raise CannotRun(f"the database does not answer or is not migrated ({first}): see SHOP_DATABASE_URL") from error
    finally:
        database.close()


@main.command()
def demo() -> None:
    """Run a whole demo: shop, local Stripe, worker and a newsroom."""
    from shop.demo.running import run

    run()


@main.command()
def dev() -> None:
    """The demo, started again whenever a file of the shop changes."""
    from shop.demo.running import run

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

    run_worker(settings, ready=tell_ready)


@main.command()
def migrate() -> None:
    """Bring the database's tables to this release."""
    from shop.schema import is_current, migrate

    with _database(_settings()) as database:
        migrate(database)
        click.echo(
            "The database is up to date." if is_current(database) else "The database is newer than this release."
        )


@main.command("create-admin")
@click.argument("email")
def create_admin(email: str) -> None:
    """Make a back office account for EMAIL with the role of owner.

    The password is asked for, or taken from SHOP_ADMIN_PASSWORD.
    """
    settings = _settings()
    from shop.staff.accounts import create_admin

    password = os.environ.get("SHOP_ADMIN_PASSWORD") or click.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )
    with _database(settings) as database:
        create_admin(database, email, password)
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
    """Close unpaid orders whose time is over, and give their stock back. The worker does this by itself."""
    settings = _settings()
    from shop.checkout.sweep import sweep
    from shop.payments.gateway import Gateway

    with _database(settings) as database:
        swept = sweep(database, Gateway(settings))
    click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in asdict(swept).items()))


@main.command()
def sandbox() -> None:
    """Run the local Stripe. It listens on this machine only and moves no money."""
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
    from shop.serving import serve_newsroom

    serve_newsroom(settings)
