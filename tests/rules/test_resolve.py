"""What stands under a story, and the reasons that are given."""

# ruff: noqa: RUF001  (typographic quotes and dashes are meant)

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop.articles.guard import add_word, approve, held_stories, remove_word
from shop.articles.models import Article, ArticleTag
from shop.articles.resolve import Resolution, resolve, stopped
from shop.articles.rules import Rule, key_of, keys_of, matches, would_match
from shop.articles.story import Story, claimed, find_story
from shop.articles.suppression import lift, suppress
from shop.articles.tying import Draft, pause, resume, tie
from shop.catalog.models import CatalogueClock, Product
from shop.db import Database, now
from tests.builders import a_product
from tests.support.statements import statements

URL = "https://news.example/2018/06/kim"
HOUR = timedelta(hours=1)


def claim(title: str = "Kim is the man to meet", **said: object) -> Story:
    story = claimed(URL, title, **said)  # type: ignore[arg-type]
    assert story is not None
    return story


def an_article(
    session: Session, url: str = URL, *, tags: tuple[str, ...] = (), source: str = "feed", **said: str
) -> int:
    row = Article(url=url, source=source, **({"title": "Kim is the man to meet"} | said))
    row.tags = [ArticleTag(key=tag.lower(), tag=tag) for tag in tags]
    session.add(row)
    session.flush()
    return row.id


def told(found: Resolution) -> list[tuple[int, str]]:
    return [(reason.tie_in_id, reason.outcome) for reason in found.reasons]


def shown(found: Resolution) -> list[str]:
    return [product.title for product in found.shown.products] if found.shown else []


@pytest.fixture
def tee(session: Session) -> Product:
    return a_product(session, title="Tee")


@pytest.fixture
def mug(session: Session) -> Product:
    return a_product(session, title="Mug")


def test_the_higher_priority_stands_and_the_other_is_told_why_not(session: Session, tee: Product, mug: Product) -> None:
    high = tie(session, Draft((tee.id,), rule=Rule(tag="North Korea"), priority=20, cta="Buy:", layout="line"))
    low = tie(session, Draft((mug.id,), rule=Rule(words="kim"), priority=10))
    found = resolve(session, claim(tags=("north  korea",)))
    assert shown(found) == ["Tee"]
    assert found.shown is not None
    assert (found.shown.cta, found.shown.layout, found.shown.tie_in_id) == ("Buy:", "line", high)
    assert [reason.sentence for reason in found.reasons] == [
        f"Rule {high} is shown because of its tag: North Korea.",
        f"Rule {low} lost to rule {high} by priority: 10 to 20.",
    ]


def test_among_equals_the_story_itself_stands_before_narrow_rules_and_those_before_wide_and_old_ones(
    session: Session, tee: Product
) -> None:
    article = an_article(session, tags=("Asia",), section="World")
    own = tie(session, Draft((tee.id,), article_id=article))
    narrow = tie(session, Draft((tee.id,), rule=Rule(tag="asia", words="man meet")))
    older = tie(session, Draft((tee.id,), rule=Rule(tag="Asia")))
    newer = tie(session, Draft((tee.id,), rule=Rule(section="world")))
    every = tie(session, Draft((tee.id,), rule=Rule()))
    found = resolve(session, claim())
    assert told(found) == [(own, "shown"), *((tie_in, "lost") for tie_in in (narrow, newer, older, every))]
    assert found.reasons[0].sentence == f"Tie-in {own} is shown because it is tied to this very story."
    assert [reason.sentence.partition(", ")[2] for reason in found.reasons[1:]] == [
        "which is tied to this very story."
    ] * 4
    pause(session, own)
    assert told(resolve(session, claim()))[:2] == [(own, "paused"), (narrow, "shown")]
    pause(session, narrow)
    assert resolve(session, claim()).reasons[3].sentence == f"Rule {older} lost to rule {newer}, which is newer."
    for tie_in in (older, newer):
        pause(session, tie_in)
    assert resolve(session, claim()).reasons[-1].sentence == f"Rule {every} is shown because it is for every story."
    resume(session, own)
    assert told(resolve(session, claim()))[0] == (own, "shown")


def test_a_window_begins_at_its_first_moment_and_has_ended_at_its_last(session: Session, tee: Product) -> None:
    begins = now()
    tie_in = tie(session, Draft((tee.id,), rule=Rule(), starts_at=begins, ends_at=begins + HOUR))

    def at(moment: datetime) -> tuple[str, datetime | None]:
        found = resolve(session, claim(), moment=moment)
        return found.reasons[0].outcome, found.until

    tick = timedelta(microseconds=1)
    assert tie_in
    assert at(begins - tick) == ("not_begun", begins)
    assert at(begins) == ("shown", begins + HOUR)
    assert at(begins + HOUR - tick) == ("shown", begins + HOUR)
    assert at(begins + HOUR) == ("ended", None)


def test_of_four_products_those_that_are_on_sale_stand_in_order_and_what_came_after_one_in_its_place(
    session: Session, tee: Product, mug: Product
) -> None:
    moment = now()
    gone = a_product(session, title="Gone", status="archived")
    latest = a_product(session, title="Latest")
    between = a_product(session, title="Between", status="archived", successor_id=latest.id)
    old = a_product(session, title="Old", status="archived", successor_id=between.id)
    coming = a_product(session, title="Coming", publish_at=moment + HOUR)
    first = tie(session, Draft((gone.id, old.id, tee.id, coming.id), rule=Rule(), priority=2))
    tie(session, Draft((gone.id,), rule=Rule(), priority=1))
    found = resolve(session, claim(), moment=moment)
    assert (shown(found), found.until) == (["Latest", "Tee"], moment + HOUR)
    assert shown(resolve(session, claim(), moment=moment + HOUR)) == ["Latest", "Tee", "Coming"]
    assert told(found)[1][1] == "not_on_sale"
    tee.status = latest.status = "draft"
    session.flush()
    assert told(resolve(session, claim(), moment=moment))[0] == (first, "not_on_sale")


def test_two_products_with_one_successor_show_it_once(session: Session, tee: Product) -> None:
    old = [a_product(session, status="archived", successor_id=tee.id).id for _ in "12"]
    tie(session, Draft(tuple(old), rule=Rule()))
    assert shown(resolve(session, claim())) == ["Tee"]


def test_each_slot_has_its_own(session: Session, tee: Product, mug: Product) -> None:
    tie(session, Draft((tee.id,), rule=Rule()))
    tie(session, Draft((mug.id,), rule=Rule(), slot="end"))
    assert [shown(resolve(session, claim(), slot)) for slot in ("story", "end", "x\x01", "")] == [
        ["Tee"],
        ["Mug"],
        [],
        [],
    ]


def test_what_the_publisher_has_told_counts_and_not_what_a_page_claims(session: Session, tee: Product) -> None:
    tie(session, Draft((tee.id,), rule=Rule(tag="Sport")))
    an_article(session, section="World", tags=("Asia",))
    assert shown(resolve(session, claim(tags=("Sport",), section="Sport"))) == []


def test_a_story_that_is_known_by_an_order_alone_is_what_its_page_claims_now(session: Session, tee: Product) -> None:
    tie(session, Draft((tee.id,), rule=Rule(words="Kim", author="Bo Li")))
    article = an_article(session, source="order", title="An innocent headline of somebody's")
    found = resolve(session, claim(author="Ann Wong, Bo Li"))
    assert (shown(found), found.story.id) == (["Tee"], article)
    assert resolve(session, claim("Kim is dead", author="Bo Li")).held


def test_a_story_is_found_by_whatever_way_its_address_is_written(session: Session) -> None:
    an_article(session, "https://www.news.example/kim", tags=("Asia", "Korea"))
    for url in (
        "http://www.news.example/kim/amp?utm_source=x",
        "https://m.news.example/kim",
        "https://news.example/kim#a",
    ):
        story = find_story(session, url)
        assert story is not None
        assert (story.url, story.tags) == ("https://www.news.example/kim", ("Asia", "Korea"))
    assert find_story(session, "https://news.example/other") is None
    assert find_story(session, "javascript:alert(1)") is None


def test_the_guard_holds_rules_back_and_not_what_somebody_has_put_under_this_very_story(
    session: Session, tee: Product, mug: Product
) -> None:
    article = an_article(session, title="Ferry sinks, 12 dead")
    rule = tie(session, Draft((tee.id,), rule=Rule(), priority=5))
    found = resolve(session, claim())
    assert (told(found), found.held) == ([(rule, "held")], True)
    assert "“dead”" in found.reasons[0].sentence
    assert [held.story.id for held in held_stories(session).stories] == [article]
    own = tie(session, Draft((mug.id,), article_id=article))
    assert (shown(resolve(session, claim())), told(resolve(session, claim()))) == (
        ["Mug"],
        [(rule, "held"), (own, "shown")],
    )
    assert approve(session, article, "ed")
    assert not approve(session, article, "ed")
    assert (shown(resolve(session, claim())), held_stories(session).stories) == (["Tee"], ())


@pytest.mark.parametrize("field", ["title", "section", "summary", "tags"])
def test_a_sensitive_word_is_seen_wherever_it_stands(session: Session, tee: Product, field: str) -> None:
    tie(session, Draft((tee.id,), rule=Rule()))
    story = replace(claim(), **{field: ("Air Strike",) if field == "tags" else "An air-strike"})
    assert resolve(session, story).held


def test_staff_take_words_off_the_list_and_add_their_own(session: Session, tee: Product) -> None:
    tie(session, Draft((tee.id,), rule=Rule()))
    war = claim("A trade war over shirts")
    assert resolve(session, war).held
    remove_word(session, "WAR", "ed")
    assert shown(resolve(session, war)) == ["Tee"]
    add_word(session, "Shirt*", "ed")
    assert resolve(session, war).held
    add_word(session, "war", "ed")
    remove_word(session, "shirt*", "ed")
    assert resolve(session, war).held


@pytest.mark.parametrize(
    ("scope", "value"), [("section", "WORLD"), ("tag", "asia"), ("everywhere", None), ("article", "")]
)
def test_what_is_suppressed_shows_nothing_until_it_is_lifted(
    session: Session, tee: Product, scope: str, value: str | None
) -> None:
    article = an_article(session, tags=("Asia",), section="World")
    other = claimed("https://news.example/other", "Other")
    assert other is not None
    tie_in = tie(session, Draft((tee.id,), rule=Rule()))
    suppression = suppress(session, scope, value if value != "" else article, "a tragedy", "ed")
    found = resolve(session, claim())
    assert (told(found), bool(found.suppressed)) == ([(tie_in, "suppressed")], True)
    assert shown(resolve(session, other)) == ([] if scope == "everywhere" else ["Tee"])
    assert stopped(session, found.story, tee.id) == ("product" if scope == "everywhere" else "story")
    lift(session, suppression, "ed")
    assert shown(resolve(session, claim())) == ["Tee"]
    assert stopped(session, found.story, tee.id) == ""


def test_a_product_that_is_taken_away_leaves_the_others_standing_and_is_not_replaced(
    session: Session, tee: Product, mug: Product
) -> None:
    tie_in = tie(session, Draft((tee.id, mug.id), rule=Rule()))
    suppress(session, "product", tee.id, "", "ed")
    assert shown(resolve(session, claim())) == ["Mug"]
    assert (stopped(session, None, tee.id), stopped(session, None, mug.id)) == ("product", "")
    suppress(session, "product", str(mug.id), "", "ed")
    assert told(resolve(session, claim())) == [(tie_in, "suppressed")]


def test_words_are_words_and_no_patterns(session: Session, tee: Product) -> None:
    for words, titles in {
        "kim": {"KIM’s plan": True, "Kimchi": False},
        "trump-kim": {"The Trump–Kim summit": True, "Trump meets Kim": False},
        "cafe": {"Café": True},
        "金正恩": {"特朗普与金正恩会晤": True, "金先生": False},
        "k.m": {"Kim": False, "K.M. Tan": True},
        "மரணம்": {"ஒரு மரணம் பற்றி": True, "மரணத்தில்": False},
    }.items():
        for title, expected in titles.items():
            story = claim(title)
            assert matches(Rule(words=words), story) is expected, (words, title)
            assert not expected or key_of(Rule(words=words)) in keys_of(story)


def test_staff_see_which_of_the_last_stories_a_rule_would_match(session: Session) -> None:
    for day in range(5):
        article = an_article(session, f"{URL}-{day}", tags=("Asia",) if day % 2 else ())
        session.get_one(Article, article).published_at = now() - timedelta(days=day)
    session.flush()
    rule = Rule(tag="ASIA", words="meet kim")
    assert [story.url[-1] for story in would_match(session, rule)] == ["1", "3"]
    assert [story.url[-1] for story in would_match(session, rule, limit=2)] == ["1"]


ODD = st.text(st.sampled_from("aA ß İıﬃ'’-–*.,[(\\%_金あé\u0301\u00ad\u200b\x00\ud800ர்") | st.characters(), max_size=12)


@given(ODD, ODD, ODD, ODD)
def test_a_rule_that_matches_is_always_among_those_that_are_found(
    tag: str, author: str, words: str, section: str
) -> None:
    story = claimed(URL, f"{words} and more", section, author, (tag,))
    assert story is not None
    for rule in (Rule(section, tag, author, words), Rule(words=words), Rule(section=section), Rule(author=author)):
        assert not matches(rule, story) or key_of(rule) in keys_of(story)
    for text in (story.title, story.section, story.author, *story.tags):
        text.encode()
        assert "\x00" not in text


@pytest.fixture
def database_of_many(database: Database) -> Database:
    """A thousand rules and two thousand articles, nothing of which has to do with the story."""
    with database.transaction() as session:
        product = a_product(session).id
        for number in range(1000):
            field = ("tag", "section", "author", "words")[number % 4]
            tie(session, Draft((product,), rule=Rule(**{field: f"Other{number}"})))
        session.add_all(Article(url=f"https://news.example/{number}", source="feed") for number in range(2000))
    return database


def test_however_much_there_is_three_statements_read_few_rows(database_of_many: Database) -> None:
    with database_of_many.transaction() as session:
        product = session.scalars(select(Product.id)).first()
        assert product is not None
        article = an_article(session, tags=tuple(f"Tag {n}" for n in range(20)), section="World", author="Ann, Bo")
        for rule in (Rule(tag="Tag 3"), Rule(section="World"), Rule(words="man")):
            tie(session, Draft((product,), rule=rule))
        tie(session, Draft((product,), article_id=article))
    with database_of_many.engine.connect() as connection:
        with statements(database_of_many.engine) as sent:
            found = resolve(connection, claim())
        assert (len(sent), len(found.reasons)) == (3, 4)
        if database_of_many.is_sqlite:
            plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {plain(sent[1])}"))
            assert "ix_tie_ins_rule_key" in plan
            assert "SCAN tie_ins" not in plan


def plain(statement: str) -> str:
    """The statement with something in place of each parameter."""
    return statement.replace("?", "''")


def test_a_change_moves_the_clock_and_one_that_changes_nothing_does_not(session: Session, tee: Product) -> None:
    def clock() -> int:
        return session.scalars(select(CatalogueClock.stories)).one()

    tie_in = tie(session, Draft((tee.id,), rule=Rule()))
    was = clock()
    pause(session, tie_in)
    assert clock() == was + 1
    pause(session, tie_in)
    assert clock() == was + 1
