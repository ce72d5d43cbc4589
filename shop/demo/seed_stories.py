"""Makes the demo newsroom's stories known to the shop, with its feed, and puts products under them, some by hand and some by rule."""

from datetime import timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shop.articles.addresses import is_publisher
from shop.articles.knowing import know_all
from shop.articles.models import Article, Feed
from shop.articles.rules import Rule
from shop.articles.story import Story
from shop.articles.tying import Draft, tie
from shop.catalog.models import Product
from shop.config import Settings
from shop.db import Database, insert_once, now
from shop.demo.newsroom import NEWS_FEED
from shop.demo.stories import STORIES

HOST: Final = "127.0.0.1"
ACTOR: Final = "demo"
# The worker is up before the newsroom is.
FIRST_ASKED_AFTER: Final = timedelta(minutes=1)
# One story has its products from a rule alone, and under one the guard holds a rule back.
BY_HAND: Final = ("kim-jong-un-in-demand", "kopi-stalls-keep-journalists-hours")
BY_RULE: Final = (
    (Rule(tag="Trump-Kim summit"), 10, "shelf", "From the summit:", ("trump-kim-tee", "front-page-tote")),
    (Rule(section="Singapore"), 0, "", "Whatever the weather:", ("breaking-news-umbrella",)),
)


def seed_stories(database: Database, settings: Settings) -> int:
    """Know the newsroom's stories and have its feed asked; tie products to them the first time. Returns how many are new.

    One transaction. Where the newsroom's host may not carry the shop nothing is done. A newsroom that was on another port is
    asked no more.
    """
    site = f"http://{HOST}:{settings.newsroom_port}"
    if not is_publisher(f"{site}/", settings.shop_publisher_hosts):
        return 0
    stories = [
        Story(
            url=site + story.path,
            title=story.title,
            section=story.section,
            author=", ".join(story.writers),
            tags=story.tags,
            published_at=story.published_at,
            summary=story.standfirst,
        )
        for story in STORIES
    ]
    due_at = now() + FIRST_ASKED_AFTER
    with database.transaction() as session:
        is_first = insert_once(session, Feed, {"url": site + NEWS_FEED, "due_at": due_at})
        ours = update(Feed).where(Feed.url.like(f"http://{HOST}:%{NEWS_FEED}"))
        session.execute(ours.where(Feed.url == site + NEWS_FEED).values(due_at=due_at))
        session.execute(ours.where(Feed.url != site + NEWS_FEED).values(active=False))
        known = know_all(session, stories, "feed")
        if is_first:
            _tie(session, site)
    return known.new


def _tie(session: Session, site: str) -> None:
    products = {product.slug: product.id for product in session.execute(select(Product.slug, Product.id))}
    articles = {article.url: article.id for article in session.execute(select(Article.url, Article.id))}
    for story in STORIES:
        offered = story.merchandise
        if story.slug in BY_HAND and offered and offered.product in products:
            draft = Draft(
                (products[offered.product],), article_id=articles[site + story.path], priority=20, cta=offered.cta
            )
            tie(session, draft, actor=ACTOR)
    for rule, priority, layout, cta, slugs in BY_RULE:
        there = tuple(products[slug] for slug in slugs if slug in products)
        if there:
            tie(session, Draft(there, rule=rule, priority=priority, layout=layout, cta=cta), actor=ACTOR)
