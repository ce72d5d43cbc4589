"""The commands about money: unpaid orders, Stripe's events, and the comparison of the books."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from shop.prompt import InOrder, load_settings, open_database

if TYPE_CHECKING:
    from shop.checkout.replay import Replayed
    from shop.checkout.runs import Progress


@click.command()
def sweep() -> None:
    """Close unpaid orders whose time is over, and give their stock back. The worker does this by itself.

    Events of Stripe that are due to be tried again are, too.
    """
    settings = load_settings()
    from shop.checkout.replay import retry_due
    from shop.checkout.sweep import sweep
    from shop.payments.gateway import Gateway

    with open_database(settings) as database:
        swept = sweep(database, Gateway(settings))
        retried = retry_due(database, Gateway(settings))
    click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in asdict(swept).items()))
    click.echo(f"events tried again: {_counts(retried)}")


def _counts(done: "Replayed") -> str:
    return ", ".join(f"{count} {state}" for state, count in asdict(done).items())


@click.group(cls=InOrder)
def events() -> None:
    """What Stripe has told by webhook, and what became of it."""


@events.command("list")
@click.option("--state", type=click.Choice(["failed", "waiting", "applied", "ignored"]), help="Only those.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
def list_events(state: str | None, limit: int) -> None:
    """List events, the newest first."""
    settings = load_settings()
    from shop.payments.inbox import list_events

    with open_database(settings) as database, database.reading() as session:
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
    settings = load_settings()
    from shop.errors import NotFound
    from shop.payments.inbox import find_event

    with open_database(settings) as database, database.reading() as session:
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
    settings = load_settings()
    from shop.checkout.replay import replay, replay_failed
    from shop.payments.gateway import Gateway

    with open_database(settings) as database:
        if stripe_id is None:
            done = replay_failed(database, Gateway(settings), actor="shop events replay")
            click.echo(_counts(done))
            return 1 if done.failed else 0
        verdict = replay(database, Gateway(settings), stripe_id, actor="shop events replay")
    click.echo(f"{verdict.state}{': ' if verdict.reason else ''}{verdict.reason}")
    return 1 if verdict.state == "failed" else 0


@click.command()
@click.option("--since", metavar="WHEN", help="From a date (2026-11-01) or so long ago (90m, 12h, 3d, 2w) until now.")
def reconcile(since: str | None) -> int:
    """Compare with Stripe's books, settle what was missed, and list what differs. The worker does this every night.

    Unless told otherwise it goes back to a day before the last run that finished, 30 days at most. Ends with status 1 when
    anything differs.
    """
    settings = load_settings()
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
    with open_database(settings) as database:
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


COMMANDS: tuple[click.Command, ...] = (sweep, events, reconcile)
