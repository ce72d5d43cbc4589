"""What the commands at a prompt share: settings, the database, and a refusal in one clear line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from shop.errors import ShopError

if TYPE_CHECKING:
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


def load_settings() -> "Settings":
    """The settings of the environment, and the log as they want it."""
    from shop import logs
    from shop.config import Settings

    settings = Settings.load()
    logs.set_up(settings.shop_log_level, settings.shop_log_format)
    return settings


@contextmanager
def said_in_a_line() -> "Iterator[None]":
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
def open_database(settings: "Settings", *, migrated: bool = True) -> "Iterator[Database]":
    """The database, closed afterwards. One that wants migrating is refused, unless told otherwise."""
    from shop.db import Database
    from shop.schema import require_current

    with said_in_a_line():
        database = Database.connect(settings.database_url)
        try:
            if migrated:
                require_current(database)
            yield database
        finally:
            database.close()


def require_queue(settings: "Settings") -> None:
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
