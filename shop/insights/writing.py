"""Writing what has been counted: one row for each day, step and thing, added up where it is there already."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.articles.models import Article
from shop.catalog.models import OldSlug, Product
from shop.db import add_up_all, in_batches
from shop.insights.models import InsightCount

if TYPE_CHECKING:
    from shop.insights.counting import Counted

# Rows of one statement; SQLite takes at most 32766 values in one.
AT_ONCE = 500
# Different things that are kept apart on one day. Any reader can make a new one of them by asking for a card with other words,
# and rows stay for ever.
MOST_ROWS_A_DAY = 200_000

Key = tuple[date, str, "Counted"]
Row = tuple[date, str, str]


def write(session: Session, counts: Mapping[Key, int]) -> int:
    """Add `counts` to the rows of `insight_counts`. Never commits. Returns how many statements it took.

    One statement for each day and for each AT_ONCE things, and as many again for things whose ids are to be looked up.
    """
    spoken = _Spoken(session)
    stories = spoken.ids(select(Article.url, Article.id), Article.url, {what.story for _, _, what in counts})
    slugs = {what.product for _, _, what in counts}
    products = spoken.ids(select(Product.slug, Product.id), Product.slug, slugs)
    gone = slugs - products.keys()
    products |= spoken.ids(select(OldSlug.slug, OldSlug.product_id), OldSlug.slug, gone)
    summed: Counter[Key] = Counter()
    for (day, step, what), times in counts.items():
        if what.product and what.product not in products:
            continue
        known = what._replace(
            article_id=what.article_id or stories.get(what.story),
            product_id=what.product_id or products.get(what.product),
            story="",
            product="",
        )
        summed[(day, step, known)] += times
    rows = spoken.bounded(summed)
    # In the order of their key, always: two processes that write the same rows wait for each other instead of deadlocking.
    for some in in_batches(sorted(rows.items()), AT_ONCE):
        add_up_all(session, InsightCount, [_row(key, *value) for key, value in some], ("day", "step", "key"), "times")
        spoken.statements += 1
    return spoken.statements


class _Spoken:
    """What has to be asked before counts can be written, and how many statements that took."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.statements = 0

    def _rows(self, statement: Any) -> Sequence[Any]:
        self.statements += 1
        return self._session.execute(statement).all()

    def ids(self, statement: Any, column: Any, names: set[str]) -> dict[str, int]:
        """The ids of those that are there, by name."""
        return {
            name: number
            for some in in_batches(sorted(names - {""}), AT_ONCE)
            for name, number in self._rows(statement.where(column.in_(some)))
            if number is not None
        }

    def bounded(self, counts: Mapping[Key, int]) -> dict[Row, tuple["Counted", int]]:
        """The counts by the key of their row. When a day has rows enough, what has none yet is counted without its story."""
        rows: dict[Row, tuple[Counted, int]] = {}
        for day in sorted({day for day, _, _ in counts}):
            of_day = {
                (day, step, what.key): (what, times)
                for (its_day, step, what), times in counts.items()
                if its_day == day
            }
            there = self._rows(select(func.count()).where(InsightCount.day == day))[0][0]
            if there + len(of_day) > MOST_ROWS_A_DAY:
                of_day = self._folded(day, of_day)
            rows |= of_day
        return rows

    def _folded(self, day: date, rows: Mapping[Row, tuple["Counted", int]]) -> dict[Row, tuple["Counted", int]]:
        kept: set[Row] = set()
        for some in in_batches(sorted({key for _, _, key in rows}), AT_ONCE):
            there = select(InsightCount.day, InsightCount.step, InsightCount.key)
            kept |= {tuple(row) for row in self._rows(there.where(InsightCount.day == day, InsightCount.key.in_(some)))}
        folded: dict[Row, tuple[Counted, int]] = {}
        for row, (what, times) in rows.items():
            if row not in kept:
                what = what.folded()  # noqa: PLW2901
                row = (day, row[1], what.key)  # noqa: PLW2901
            folded[row] = (what, folded.get(row, (what, 0))[1] + times)
        return folded


def _row(key: Row, what: "Counted", times: int) -> dict[str, object]:
    day, step, name = key
    return {
        "day": day,
        "step": step,
        "key": name,
        "article_id": what.article_id,
        "product_id": what.product_id,
        "tie_in_id": what.tie_in_id,
        "slot": what.slot,
        "layout": what.layout,
        "times": times,
    }
