"""`python -m bench.resolving`: what it costs to find out what stands under a story, with few tie-ins and with many.

In one process on SQLite, cold each time: nothing is kept between two asks. Aim: with 10,000 articles and 1,000 rules at most
twice the CPU of ten of each.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from sqlalchemy.orm import Session

from shop import logs
from shop.articles.models import Article, ArticleTag
from shop.articles.resolve import resolve
from shop.articles.rules import Rule
from shop.articles.story import Story, claimed
from shop.articles.tying import Draft, tie
from shop.db import Database
from shop.schema import migrate
from tests.builders import a_product

FEW, MANY = (10, 10), (10_000, 1_000)
MOST = 2.0
ROUNDS, TIMES = 7, 200


def main() -> int:
    """Returns 0 if the aim is met, 1 if not."""
    logs.set_up("error")
    with tempfile.TemporaryDirectory() as folder:
        few, many = (_filled(Path(folder) / f"{articles}.db", articles, rules) for articles, rules in (FEW, MANY))
        # In turns, so that whatever else the machine does falls on both.
        costs = [(_cost(few), _cost(many)) for _ in range(ROUNDS)]
        few.close()
        many.close()
    ratio = median(more / less for less, more in costs)
    for name, figures in (("few", [less for less, _ in costs]), ("many", [more for _, more in costs])):
        print(f"{name:<5} {median(figures):7.0f} us CPU")
    print(f"ratio {ratio:7.2f}, at most {MOST}")
    return 0 if ratio <= MOST else 1


def _filled(path: Path, articles: int, rules: int) -> Database:
    database = Database.connect(f"sqlite:///{path}")
    migrate(database)
    with database.transaction() as session:
        product = a_product(session).id
        _stories(session, articles)
        for number in range(rules):
            field = ("tag", "words", "author", "tag")[number % 4]
            tie(session, Draft((product,), rule=Rule(**{field: f"Other{number}"})))
        for rule in (Rule(words="Kim"), Rule(section="World"), Rule(tag="Asia")):
            tie(session, Draft((product,), rule=rule))
    return database


def _stories(session: Session, articles: int) -> None:
    for number in range(articles):
        story = Article(url=f"https://news.example/{number}", title=f"Kim, {number}", section="World", source="feed")
        story.tags = [ArticleTag(key="asia", tag="Asia"), ArticleTag(key=f"place {number}", tag=f"Place {number}")]
        session.add(story)


def _asked() -> Story:
    story = claimed("https://news.example/5")
    assert story is not None
    return story


def _cost(database: Database) -> float:
    asked = _asked()
    with database.engine.connect() as connection:
        assert len(resolve(connection, asked).reasons) == 3
        began = time.process_time()
        for _ in range(TIMES):
            resolve(connection, asked)
        return (time.process_time() - began) / TIMES * 1e6


if __name__ == "__main__":
    sys.exit(main())
