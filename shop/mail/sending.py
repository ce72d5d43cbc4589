"""Sending what the outbox holds. Any number of workers may do it at once.

A row is taken by one UPDATE that also says when it may be taken again, a lease; then it is sent with no transaction open;
then it is marked. A worker that dies in between loses nothing: the lease runs out and another one sends.

What that costs, and nobody can avoid: if a worker dies, or the mail server hangs up, after the server has accepted the
message and before the shop has written that down, the message goes out a second time. It then carries the same Message-ID,
by which most mailboxes show it once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shop.crashing import die_at
from shop.db import Database, changed_rows, now
from shop.mail.messages import CannotWrite, Letter
from shop.mail.models import OutboxMessage
from shop.mail.outbox import ABOUT_ORDERS
from shop.mail.transports import Delayed, Refused, Transport

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 10
# Longer than any conversation with a mail server: see PATIENCE in `shop.mail.transports`.
LEASE = timedelta(minutes=10)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one run did: messages `sent`, given up as `failed`, and put off for `later`."""

    sent: int = 0
    failed: int = 0
    later: int = 0


def is_due(database: Database) -> bool:
    """Whether any message waits to be sent now. One statement, in a transaction of its own that only reads."""
    with database.reading() as session:
        waiting = (
            select(OutboxMessage.id).where(OutboxMessage.state == "waiting", OutboxMessage.due_at <= now()).limit(1)
        )
        return session.scalar(waiting) is not None


def send_due(
    database: Database, transport: Transport, compose: Callable[[Letter], EmailMessage], *, limit: int = 50
) -> Sent:
    """Send at most `limit` messages that are due. Call it as often as you like, from as many workers as you like.

    `compose` turns a letter into a message and may read the database; it raises CannotWrite when that can never be done.
    A temporary failure is tried again after 30 seconds, then after three times as long each time, at most 12 hours, ten
    times within about a day and a half; a permanent one, or the tenth, leaves the row as failed with its reason. When the
    mail server as a whole is down the run ends, so that one outage does not use up the attempts of every message.

    Owns its transactions: one to take each message, one to note what became of it, none while it is sent.
    """
    sent = failed = later = 0
    if not is_due(database):  # on SQLite, taking would lock the whole database for nothing
        return Sent()
    for _ in range(limit):
        with database.transaction() as session:
            letter = take(session, now())
        if letter is None:
            break
        try:
            if letter.attempts > MOST_ATTEMPTS:
                raise Refused("given up: every worker that took it stopped before it was sent")
            transport.deliver(letter, compose(letter))
            die_at("mail.accepted")
        except (CannotWrite, Refused) as error:
            _give_up(database, letter, str(error))
            failed += 1
        except Delayed as error:
            if _put_off(database, letter, str(error)):
                later += 1
            else:
                failed += 1
            if error.server_down:
                break
        except Exception:
            # A fault of ours. It must not keep the other messages waiting, and nobody must overlook it.
            log.exception("message could not be written", message=letter.id, kind=letter.kind)
            if _put_off(database, letter, "a fault in the shop; see the log"):
                later += 1
            else:
                failed += 1
        else:
            _mark_sent(database, letter)
            sent += 1
    return Sent(sent, failed, later)


def take(session: Session, moment: datetime) -> Letter | None:
    """Take the message that has waited longest, for as long as LEASE; None if there is none.

    One statement, so that two workers never take the same one. On PostgreSQL they do not wait for each other either: a row
    that another worker is just taking is skipped. On SQLite writers take turns.
    """
    longest_waiting = (
        select(OutboxMessage.id)
        .where(OutboxMessage.state == "waiting", OutboxMessage.due_at <= moment)
        .order_by(OutboxMessage.due_at, OutboxMessage.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == longest_waiting, OutboxMessage.state == "waiting", OutboxMessage.due_at <= moment)
        .values(attempts=OutboxMessage.attempts + 1, due_at=moment + LEASE)
        .returning(
            OutboxMessage.id,
            OutboxMessage.kind,
            OutboxMessage.recipient,
            OutboxMessage.dedupe_key,
            OutboxMessage.order_id,
            OutboxMessage.context,
            OutboxMessage.created_at,
            OutboxMessage.attempts,
        )
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return Letter(*row) if row is not None else None


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts."""
    return min(FIRST_WAIT * int(3 ** (attempts - 1)), LONGEST_WAIT)


def _mark_sent(database: Database, letter: Letter) -> None:
    """It has left, whoever holds the row by now."""
    with database.transaction() as session:
        if letter.kind not in ABOUT_ORDERS:
            _forget(session, letter)
        changed_rows(
            session,
            update(OutboxMessage)
            .where(OutboxMessage.id == letter.id)
            .values(state="sent", sent_at=now(), last_error="")
            .execution_options(synchronize_session=False),
        )
    log.info("message sent", message=letter.id, kind=letter.kind, attempts=letter.attempts)


def _put_off(database: Database, letter: Letter, reason: str) -> bool:
    """Wait before the next attempt. False if this was the last one, and the message is given up instead."""
    if letter.attempts >= MOST_ATTEMPTS:
        _give_up(database, letter, reason)
        return False
    due_at = now() + wait_after(letter.attempts)
    _note(database, letter, state="waiting", last_error=reason[:400], due_at=due_at)
    log.warning(
        "message put off", message=letter.id, kind=letter.kind, attempts=letter.attempts, reason=_unnamed(reason)
    )
    return True


def _forget(session: Session, letter: Letter) -> None:
    """Of somebody who bought nothing, no address is kept that is needed no more; see `shop.catalog.waitlist`."""
    changed_rows(session, delete(OutboxMessage).where(OutboxMessage.id == letter.id))


def _give_up(database: Database, letter: Letter, reason: str) -> None:
    if letter.kind in ABOUT_ORDERS:
        _note(database, letter, state="failed", last_error=reason[:400])
    else:
        with database.transaction() as session:
            _forget(session, letter)
    log.error(
        "message given up", message=letter.id, kind=letter.kind, attempts=letter.attempts, reason=_unnamed(reason)
    )


def _unnamed(reason: str) -> str:
    """`reason` for the log, which must hold nothing about buyers; mail servers like to repeat who they are, after the code."""
    return re.sub(r"\S+@\S+", "(address)", re.sub(r"(?s)(the mail server said \d+).*", r"\1", reason))


def _note(database: Database, letter: Letter, **values: str | datetime) -> None:
    """Write a failure down, unless the lease has run out and another worker has taken the message since."""
    with database.transaction() as session:
        changed_rows(
            session,
            update(OutboxMessage)
            .where(
                OutboxMessage.id == letter.id,
                OutboxMessage.state == "waiting",
                OutboxMessage.attempts == letter.attempts,
            )
            .values(**values)
            .execution_options(synchronize_session=False),
        )
