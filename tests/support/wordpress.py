"""A site that does with a pasted address what WordPress does with one from a shop that it does not know.

It looks for the address of the question in the page's head, asks with the width of its own column, keeps nothing of the HTML but
a link, a quotation and a frame with a few attributes, puts the frame into a sandbox, hides it, and names it by a secret. Its
script hears what comes with that secret from that frame, and nothing else.
"""

import re
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from flask import Flask

from tests.support.reader import _Parser

KEPT = {"a": {"href"}, "blockquote": set(), "iframe": {"src", "width", "height", "title", "frameborder"}}
KEPT["iframe"] |= {"marginwidth", "marginheight", "scrolling"}
COLUMN, HIGHEST = 600, 900
SECRET = "s3cretOf10"
HIDDEN = "position: absolute; clip: rect(1px, 1px, 1px, 1px);"

SCRIPT = """
addEventListener('message', ({ source, data }) => {
  if (!data || !(data.secret || data.message || data.value) || /[^a-zA-Z0-9]/.test(data.secret)) return;
  for (const quotation of document.querySelectorAll(`blockquote[data-secret="${data.secret}"]`)) quotation.style.display = 'none';
  for (const frame of document.querySelectorAll(`iframe[data-secret="${data.secret}"]`)) {
    if (source !== frame.contentWindow) continue;
    frame.removeAttribute('style');
    if (data.message === 'height') frame.height = Math.min(1000, Math.max(200, parseInt(data.value, 10) || 0));
    if (data.message !== 'link') continue;
    const [from, to] = [new URL(frame.getAttribute('src')), new URL(data.value)];
    if (/^https?:$/.test(to.protocol) && to.host === from.host && document.activeElement === frame) top.location.href = to.href;
  }
});
addEventListener('DOMContentLoaded', () => {
  for (const frame of document.querySelectorAll('iframe.wp-embedded-content'))
    frame.contentWindow.postMessage({ message: 'ready', secret: frame.dataset.secret }, '*');
});
"""


def asked(address: str) -> dict[str, Any]:
    """What the shop says of an address, asked for as its page's head says."""
    head = requests.get(address, timeout=30).text.partition("</head>")[0]
    parser = _Parser()
    parser.feed(head)
    href = next(at["href"] for tag, at in parser.tags if tag == "link" and at.get("type") == "application/json+oembed")
    parts = urlsplit(href)
    query = dict(parse_qsl(parts.query)) | {"maxwidth": COLUMN, "maxheight": HIGHEST, "url": address, "dnt": 1}
    answer = requests.get(f"{parts.scheme}://{parts.netloc}{parts.path}?{urlencode(query)}", timeout=30)
    answer.raise_for_status()
    return dict(answer.json())


class _Kept(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.html = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in KEPT:
            kept = "".join(f' {name}="{escape(value or "")}"' for name, value in attrs if name in KEPT[tag])
            self.html += f"<{tag}{kept}>"

    def handle_endtag(self, tag: str) -> None:
        if tag in KEPT:
            self.html += f"</{tag}>"

    def handle_data(self, data: str) -> None:
        self.html += escape(data, quote=False)


def shown(html: str) -> str:
    """The HTML as it stands in the post; raises if nothing of it is left."""
    kept = _Kept()
    kept.feed(html)
    found = re.search(r"(<blockquote>.*?</blockquote>)?.*(<iframe.*?></iframe>)", kept.html, re.DOTALL)
    assert found, html
    quotation, frame = found.groups()
    frame = re.sub(r' src="(.*?)"', rf' src="\1#?secret={SECRET}" data-secret="{SECRET}"', frame)
    boxed = '<iframe class="wp-embedded-content" sandbox="allow-scripts" security="restricted"'
    if quotation:
        quotation = quotation.replace("<blockquote", f'<blockquote class="wp-embedded-content" data-secret="{SECRET}"')
        boxed += f' style="{HIDDEN}"'
    return (quotation or "") + frame.replace("<iframe", boxed)


def create_blog(address: str) -> Flask:
    """A site with one post, in which this address was pasted."""
    blog = Flask(__name__)
    post = shown(asked(address)["html"])

    @blog.get("/post")
    def show() -> str:
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A post</title>'
            '<link rel="icon" href="data:,"><script src="/wp-embed.js"></script></head>'
            f'<body style="width: {COLUMN}px"><h1>A post</h1>{post}<p>The end.</p></body></html>'
        )

    @blog.get("/wp-embed.js")
    def script() -> tuple[str, dict[str, str]]:
        return SCRIPT, {"Content-Type": "text/javascript"}

    return blog
