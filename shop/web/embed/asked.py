"""What a frame is asked for: by whom on the page, for which story or product, in which form. All of it is a stranger's word."""

from collections.abc import Mapping
from dataclasses import dataclass

from shop.articles.placement import SLOT, TITLE_LIMIT
from shop.web.offer import one_line

CTA_LIMIT = 120
# As much of an address as is looked at: one that is longer is none, and only must not be taken for a shorter one.
LONGEST_STORY = 2000
LONGEST_TOKEN = 4000
MOST_TAGS = 20
LAYOUTS = ("card", "line", "shelf", "button")
USUAL_SLOT = "story"


@dataclass(frozen=True, slots=True)
class Asked:
    """The request's words, each on one line and within its bounds; an unknown layout is none.

    `placement` is a token that another frame of ours has handed on; it stands for `story`, `title` and `slot`.
    """

    product: str = ""
    placement: str = ""
    story: str = ""
    title: str = ""
    section: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    slot: str = USUAL_SLOT
    layout: str = ""
    cta: str = ""


def asked_in(said: Mapping[str, str]) -> Asked:
    """What the parameters of a frame's address say."""
    slot, layout = said.get("slot", ""), said.get("layout", "")
    return Asked(
        product=said.get("product", ""),
        placement=said.get("placement", "")[: LONGEST_TOKEN + 1],
        story=said.get("story", "")[:LONGEST_STORY],
        title=one_line(said.get("title", ""), TITLE_LIMIT),
        section=one_line(said.get("section", ""), 120),
        author=one_line(said.get("author", ""), 300),
        tags=tuple(tag for text in said.get("tags", "")[:4000].split(",") if (tag := one_line(text, 80)))[:MOST_TAGS],
        slot=slot if SLOT.fullmatch(slot) else USUAL_SLOT,
        layout=layout if layout in LAYOUTS else "",
        cta=one_line(said.get("cta", ""), CTA_LIMIT),
    )
