"""The audit trail: who changed what, when, from what, to what. Written in the transaction of the change itself."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.db import cursor_id
from shop.staff.models import AuditEntry


@dataclass(frozen=True, slots=True)
class AuditView:
    """A line of the trail; `changes` maps a name to what it was and what it became."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    changes: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of the trail, newest first, and the cursor of the next."""

    entries: tuple[AuditView, ...]
    next_cursor: str | None


def record(session: Session, actor: str, action: str, subject: str, changes: Mapping[str, Any] | None = None) -> None:
    """Add a line. `action` is a verb of ours ("product.publish"), `subject` names the record ("product trump-kim-tee").

    `changes` maps a name to a pair of JSON values, before and after. Never commits: if the change is rolled back, so is
    the line about it.
    """
    session.add(
        AuditEntry(
            actor=actor[:120],
            action=action[:60],
            subject=subject[:120],
            changes={name: list(pair) for name, pair in (changes or {}).items()},
        )
    )
    session.flush()


@contextmanager
def watched(
    session: Session, actor: str, action: str, subject: str, look: Callable[[], Mapping[str, Any]]
) -> Iterator[None]:
    """Record what the block changes: `look` describes the record as JSON values, and is called before and after.

    A block that changes nothing leaves no line.
    """
    before = dict(look())
    yield
    session.flush()
    changes = difference(before, look())
    if changes:
        record(session, actor, action, subject, changes)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The names whose values differ, with both values; None where there is none."""
    names = dict.fromkeys([*before, *after])
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def list_entries(session: Session, subject: str | None = None, after: str | None = None, limit: int = 50) -> AuditPage:
    """One page of the trail, newest first, of one subject if one is named, beyond the cursor. One statement."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit + 1)
    if subject:
        query = query.where(AuditEntry.subject == subject)
    if (beyond := cursor_id(after)) is not None:
        query = query.where(AuditEntry.id < beyond)
    rows = session.scalars(query).all()
    entries = tuple(
        AuditView(
            row.id,
            row.at,
            row.actor,
            row.action,
            row.subject,
            {name: (pair[0], pair[1]) for name, pair in row.changes.items()},
        )
        for row in rows[:limit]
    )
    return AuditPage(entries, str(entries[-1].id) if len(rows) > limit else None)
