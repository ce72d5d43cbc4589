"""Staff's Markdown into HTML that is safe to show. Done once, when a text is saved."""

from html import unescape

import nh3
from markdown_it import MarkdownIt

_markdown = MarkdownIt("commonmark", {"html": False, "typographer": True}).enable(["table", "strikethrough"])

TAGS = {
    "p",
    "br",
    "strong",
    "em",
    "s",
    "a",
    "ul",
    "ol",
    "li",
    "h3",
    "h4",
    "blockquote",
    "code",
    "table",
    "thead",
    "tbody",
} | {
    "tr",
    "th",
    "td",
    "hr",
}


def render_markdown(text: str) -> str:
    """HTML of a Markdown `text`: raw HTML is shown as text, headings begin at h3 (the page owns h1 and h2), links open safely."""
    html = _markdown.render(text)
    for level in (4, 3, 2, 1):
        html = html.replace(f"<h{level}>", f"<h{min(level + 2, 4)}>").replace(
            f"</h{level}>", f"</h{min(level + 2, 4)}>"
        )
    return nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href", "title"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )


def plain(html: str, limit: int) -> str:
    """The words of HTML that `render_markdown` made, on one line, cut at a word's end so that they hold `limit` characters."""
    words = " ".join(unescape(nh3.clean(html.replace("<br>", " "), tags=set())).split())
    return words if len(words) <= limit else words[:limit].rpartition(" ")[0] or words[:limit]
