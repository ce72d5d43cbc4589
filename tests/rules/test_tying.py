"""Editors tie products to stories: what they may write, and who was faster."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from shop.articles.models import Article, TieIn
from shop.articles.rules import Rule
from shop.articles.tying import (
    Draft,
    change,
    end,
    list_tie_ins,
    pause,
    read_tie_in,
    resume,
    tie,
    tie_ins_of,
)
from shop.catalog.models import Product, Purge
from shop.db import now
from shop.errors import InvalidChange, NotFound, StaleEdit
from tests.builders import a_product

SCRIPT = '<script>alert("1")</script>'


@pytest.fixture
def tee(session: Session) -> Product:
    return a_product(session, title="Tee")


def an_article(session: Session) -> int:
    article = Article(url="https://news.example/kim", title="Kim", source="feed")
    session.add(article)
    session.flush()
    return article.id


def purged(session: Session) -> set[str]:
    keys = {key for keys in session.scalars(select(Purge.keys)) for key in keys}
    session.execute(delete(Purge))
    return keys


def test_a_tie_in_is_read_as_it_was_written(session: Session, tee: Product) -> None:
    mug = a_product(session, title="Mug")
    moment = now()
    draft = Draft(
        (mug.id, tee.id),
        rule=Rule("World", "North Korea", "Ann Wong", "Kim Trump-Kim"),
        slot="end",
        priority=-7,
        cta=f"{SCRIPT}:",
        layout="shelf",
        starts_at=moment,
        ends_at=moment + timedelta(days=1),
    )
    tie_in = tie(session, draft, actor="ed@news.example")
    session.expire_all()
    view = read_tie_in(session, tie_in)
    assert (view.draft, view.created_by) == (draft, "ed@news.example")
    assert [product.title for product in view.products] == ["Mug", "Tee"]
    assert [view.state(moment + timedelta(days=days)) for days in (-1, 0, 1)] == ["waiting", "active", "over"]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("article", {"rule": None}),
        ("article", {"article_id": 5}),
        ("article", {"rule": None, "article_id": 99}),
        ("products", {"products": ()}),
        ("products", {"products": (1, 1)}),
        ("products", {"products": (1, 99)}),
        ("products", {"products": (1, 2, 3, 4, 5)}),
        ("slot", {"slot": ""}),
        ("slot", {"slot": "Side Bar"}),
        ("slot", {"slot": "s" * 41}),
        ("priority", {"priority": 1001}),
        ("priority", {"priority": -(10**12)}),
        ("cta", {"cta": "x" * 121}),
        ("cta", {"cta": "two\nlines"}),
        ("cta", {"cta": "nul\x00"}),
        ("layout", {"layout": "banner"}),
        ("section", {"rule": Rule(section="s" * 121)}),
        ("tag", {"rule": Rule(tag="\u2014")}),
        ("tag", {"rule": Rule(tag="half \ud800")}),
        ("author", {"rule": Rule(author="...")}),
        ("words", {"rule": Rule(words=".* [")}),
        ("words", {"rule": Rule(words="kim .*")}),
        ("ends_at", {"starts_at": now(), "ends_at": now() - timedelta(days=1)}),
    ],
)
def test_what_cannot_stand_is_refused_beside_its_field(
    session: Session, tee: Product, field: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidChange) as refusal:
        tie(session, replace(Draft((tee.id,), rule=Rule()), **wrong))
    assert refusal.value.field == field
    assert session.scalars(select(TieIn)).all() == []


def test_of_two_editors_the_second_is_told_that_somebody_was_faster(session: Session, tee: Product) -> None:
    tie_in = tie(session, Draft((tee.id,), rule=Rule()))
    seen = read_tie_in(session, tie_in)
    change(session, tie_in, replace(seen.draft, priority=1), seen.version)
    with pytest.raises(StaleEdit):
        change(session, tie_in, replace(seen.draft, priority=2), seen.version)
    after = read_tie_in(session, tie_in)
    assert after.draft.priority == 1
    pause(session, tie_in)
    with pytest.raises(StaleEdit):
        change(session, tie_in, after.draft, after.version)


def test_changing_its_products_alone_is_a_change(session: Session, tee: Product) -> None:
    mug = a_product(session, title="Mug")
    tie_in = tie(session, Draft((tee.id,), rule=Rule()))
    seen = read_tie_in(session, tie_in)
    change(session, tie_in, replace(seen.draft, products=(mug.id, tee.id)), seen.version)
    after = read_tie_in(session, tie_in)
    assert ([product.title for product in after.products], after.version > seen.version) == (["Mug", "Tee"], True)


def test_caches_forget_where_it_stood_and_where_it_stands(session: Session, tee: Product) -> None:
    article = an_article(session)
    purged(session)
    tie_in = tie(session, Draft((tee.id,), article_id=article))
    assert purged(session) == {f"article-{article}", f"tie-in-{tie_in}"}
    change(session, tie_in, Draft((tee.id,), rule=Rule()), read_tie_in(session, tie_in).version)
    assert purged(session) == {f"article-{article}", "stories", f"tie-in-{tie_in}"}
    pause(session, tie_in)
    assert purged(session) == {"stories", f"tie-in-{tie_in}"}


def test_what_is_ended_stays_as_history_even_if_it_never_stood(session: Session, tee: Product) -> None:
    moment = now()
    waiting = tie(session, Draft((tee.id,), rule=Rule(), starts_at=moment + timedelta(days=1)))
    over = tie(session, Draft((tee.id,), rule=Rule(), ends_at=moment - timedelta(days=1)))
    for tie_in in (waiting, over):
        end(session, tie_in)
        assert read_tie_in(session, tie_in).state(now()) == "over"
    assert read_tie_in(session, over).draft.ends_at == moment - timedelta(days=1)


def test_they_are_listed_a_page_at_a_time_the_newest_first(session: Session, tee: Product) -> None:
    article = an_article(session)
    ids = [tie(session, Draft((tee.id,), rule=Rule())) for _ in range(4)]
    ids.append(tie(session, Draft((tee.id,), article_id=article)))
    first = list_tie_ins(session, limit=3)
    rest = list_tie_ins(session, first.next_cursor, limit=3)
    assert [view.id for view in (*first.tie_ins, *rest.tie_ins)] == ids[::-1]
    assert (rest.next_cursor, first.tie_ins[0].story_url) == (None, "https://news.example/kim")
    assert [view.id for view in tie_ins_of(session, article)] == [ids[-1]]
    assert list_tie_ins(session, "no cursor", limit=9).tie_ins == (*first.tie_ins, *rest.tie_ins)


def test_what_is_not_there_cannot_be_changed(session: Session, tee: Product) -> None:
    for verb in (pause, resume, end, read_tie_in):
        with pytest.raises(NotFound):
            verb(session, 99)
    with pytest.raises(NotFound):
        change(session, 99, Draft((tee.id,), rule=Rule()), 1)
