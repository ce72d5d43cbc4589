"""What suppressions are known by: one key for each thing from which merchandise can be taken away."""

from shop.articles.story import Story, tag_key
from shop.articles.words import folded

EVERYWHERE = "everywhere"
KEY_LIMIT = 140


def section_key(section: str) -> str:
    return f"section:{folded(section)}"[:KEY_LIMIT]


def tag_suppression_key(tag: str) -> str:
    return f"tag:{tag_key(tag)}"[:KEY_LIMIT]


def article_key(article_id: int) -> str:
    return f"article:{article_id}"


def product_key(product_id: int) -> str:
    return f"product:{product_id}"


def keys_of_story(story: Story) -> tuple[str, ...]:
    """All of what takes merchandise away from this story, the widest first."""
    return (
        EVERYWHERE,
        *((section_key(story.section),) if story.section else ()),
        *map(tag_suppression_key, story.tags),
        *((article_key(story.id),) if story.id is not None else ()),
    )
