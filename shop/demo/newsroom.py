"""The demo newsroom: The Kallang Courier, a small site on an origin of its own that carries the shop's embed.

It stands for any publisher, so it imports nothing of the shop and knows it by its address alone. It keeps no state: any
WSGI server may run any number of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from functools import cache, partial
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import resvg_py
from flask import Flask, Response, abort, render_template, request, url_for
from jinja2 import FileSystemLoader
from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError, default_exceptions

from shop.demo.mailroom import Letter, letters, open_letter
from shop.demo.stories import SECTIONS, STORIES, Story

HERE: Final = Path(__file__).parent
PAPER: Final = "The Kallang Courier"
STORY_BY_PATH: Final[Mapping[str, Story]] = {story.path: story for story in STORIES}
STORY_BY_SLUG: Final[Mapping[str, Story]] = {story.slug: story for story in STORIES}
# Where machines hear of new stories: path, template and type. The first two are announced on every page.
NEWS_FEED: Final = "/feeds/rss.xml"
FEEDS: Final = {
    NEWS_FEED: ("newsroom/rss.xml", "application/rss+xml"),
    "/feeds/atom.xml": ("newsroom/atom.xml", "application/atom+xml"),
    "/news-sitemap.xml": ("newsroom/news-sitemap.xml", "application/xml"),
}
PICTURE_WIDTH: Final = 1200  # pixels; what sites that unfurl a link ask for


@dataclass(frozen=True, slots=True)
class NewsroomSettings:
    """Where the newsroom and its shop are found by readers' browsers, and the folder of sent mail to show, if any.

    Raises ValueError for an address that is not plain http or https: both end up in headers and in HTML.
    """

    public_url: str
    shop_url: str
    mail_folder: Path | None = None

    def __post_init__(self) -> None:
        for name in ("public_url", "shop_url"):
            url = getattr(self, name).rstrip("/")
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
                raise ValueError(f"{name} must be an address such as https://news.example.com, not {url!r}")
            if set(url) & set(" \t\r\n\"';,<>\\"):
                raise ValueError(f"{name} holds a character that no address may have here: {url!r}")
            object.__setattr__(self, name, url)

    @property
    def shop_origin(self) -> str:
        parts = urlsplit(self.shop_url)
        return f"{parts.scheme}://{parts.netloc}"


def publisher_policy(shop_origin: str) -> str:
    """The Content-Security-Policy under which the embed works: the line to give to a publisher.

    The shop's origin is named three times, for the one script, the frame under the story and the product's picture. The
    rest is the newsroom's own. Nothing inline is allowed, and the embed asks for nothing inline.
    """
    return (
        f"default-src 'none'; script-src {shop_origin}; frame-src {shop_origin}; img-src 'self' {shop_origin}; "
        "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


# The mail page has no embed and frames one thing, our own copy of a message.
MAIL_PAGE_POLICY: Final = (
    "default-src 'none'; frame-src 'self'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def letter_policy(shop_origin: str) -> str:
    """For the HTML part of a message, which is somebody else's markup. `sandbox` gives it an origin of its own and takes
    scripts, forms and navigation away. Inline style stays, as mail has no other kind."""
    return (
        f"sandbox; default-src 'none'; img-src data: {shop_origin}; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    )


def create_newsroom(settings: NewsroomSettings) -> Flask:
    """The newsroom as a WSGI application. Reads the mail folder when asked; opens no connection; stores nothing."""
    app = Flask(__name__, static_folder=str(HERE / "static"), template_folder=None)
    app.jinja_options = {"loader": FileSystemLoader(_templates()), "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(
        paper=PAPER, sections=SECTIONS, shop_url=settings.shop_url, related_to=related_to, has_mail=settings.mail_folder
    )
    # Whatever a name on the internet is made to lead to, the mail of this machine is not read under it.
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost", ".localhost"]
    app.jinja_env.filters["mail_date"] = format_datetime
    _stories(app, settings)
    _feeds(app, settings)
    _mail(app, settings)
    _headers(app, settings)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    def lost(error: HTTPException) -> Response:
        if isinstance(error, SecurityError):  # a foreign name, under which no address of ours can be written
            return Response("This newsroom answers on this machine only.\n", error.code, mimetype="text/plain")
        page = Response(render_template("newsroom/error.html", error=error), error.code)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            page.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return page

    # One by one: a handler for HTTPException itself would also turn redirects into pages.
    for code in default_exceptions:
        app.register_error_handler(code, lost)
    return app


def related_to(story: Story) -> Story | None:
    """The story that stands in the box where `[related_story]` is written, or None: then the box is left out."""
    return STORY_BY_SLUG[story.related] if story.related else None


@cache
def picture(story: Story) -> bytes:
    """A story's drawing as PNG, `PICTURE_WIDTH` wide, for sites that show a link with its picture and cannot show SVG."""
    path = HERE / "static" / f"{story.picture}.svg"
    return bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=PICTURE_WIDTH, skip_system_fonts=True))


def _templates() -> Path:
    # Beside the package in a checkout, inside it in an installed wheel.
    places = (HERE.parent / "templates", HERE.parent.parent / "templates")
    return next(place for place in places if (place / "newsroom").is_dir())


def _stories(app: Flask, settings: NewsroomSettings) -> None:
    def story_at(year: str, month: str, day: str, slug: str) -> Story:
        return STORY_BY_PATH.get(f"/{year}/{month}/{day}/{slug}") or abort(404)

    def story_page(template: str, story: Story) -> str:
        canonical = settings.public_url + story.path
        link = ""
        if story.merchandise:
            query = urlencode({"story": canonical, "title": story.title})
            link = f"{settings.shop_url}/products/{story.merchandise.product}?{query}"
        return render_template(
            template,
            story=story,
            canonical=canonical,
            merchandise_link=link,
            picture_url=settings.public_url + url_for("story_picture", slug=story.slug),
        )

    @app.get("/")
    def front_page() -> str:
        return render_template(
            "newsroom/front.html", stories=STORIES, section=None, canonical=f"{settings.public_url}/"
        )

    @app.get("/sections/<name>")
    def section_page(name: str) -> str:
        section = next((known for known in SECTIONS if known.lower() == name), None) or abort(404)
        stories = tuple(story for story in STORIES if story.section == section)
        canonical = settings.public_url + url_for("section_page", name=name)
        return render_template("newsroom/front.html", stories=stories, section=section, canonical=canonical)

    @app.get("/<year>/<month>/<day>/<slug>")
    def article(year: str, month: str, day: str, slug: str) -> str:
        return story_page("newsroom/article.html", story_at(year, month, day, slug))

    @app.get("/plain/<year>/<month>/<day>/<slug>")
    def plain_article(year: str, month: str, day: str, slug: str) -> str:
        return story_page("newsroom/plain.html", story_at(year, month, day, slug))

    @app.get("/pictures/<slug>.png")
    def story_picture(slug: str) -> Response:
        story = STORY_BY_SLUG.get(slug) or abort(404)
        return Response(picture(story), mimetype="image/png", headers={"Cache-Control": "public, max-age=86400"})


def _feeds(app: Flask, settings: NewsroomSettings) -> None:
    def feed(path: str) -> Response:
        template, mimetype = FEEDS[path]
        newest = sorted(STORIES, key=lambda story: story.published_at, reverse=True)
        answer = Response(
            render_template(
                template, stories=newest, paper_url=settings.public_url, feed_url=settings.public_url + path
            ),
            mimetype=mimetype,
            headers={"Cache-Control": "public, max-age=300"},
        )
        answer.last_modified = newest[0].published_at
        answer.add_etag()
        answer.make_conditional(request)
        return answer

    for number, path in enumerate(FEEDS):
        app.add_url_rule(path, f"feed_{number}", partial(feed, path))

    @app.get("/robots.txt")
    def robots() -> Response:
        return Response(f"Sitemap: {settings.public_url}/news-sitemap.xml\n", mimetype="text/plain")


def _mail(app: Flask, settings: NewsroomSettings) -> None:
    def letter_called(name: str) -> Letter:
        return (settings.mail_folder and open_letter(settings.mail_folder, name)) or abort(404)

    @app.get("/mail")
    def mail() -> str:
        folder = settings.mail_folder or abort(404)
        return render_template("newsroom/mail.html", letters=letters(folder))

    @app.get("/mail/<name>")
    def letter(name: str) -> Response:
        page = Response(render_template("newsroom/letter.html", letter=letter_called(name)))
        page.headers["Content-Security-Policy"] = MAIL_PAGE_POLICY
        return page

    @app.get("/mail/<name>/html")
    def letter_html(name: str) -> Response:
        html = letter_called(name).html
        if html is None:
            abort(404)
        body = Response(html, mimetype="text/html")
        body.headers["Content-Security-Policy"] = letter_policy(settings.shop_origin)
        body.headers["X-Frame-Options"] = "SAMEORIGIN"
        return body


def _headers(app: Flask, settings: NewsroomSettings) -> None:
    headers = {
        "Content-Security-Policy": publisher_policy(settings.shop_origin),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if settings.public_url.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"

    @app.after_request
    def protect(response: Response) -> Response:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store" if request.path.startswith("/mail") else "no-cache"
        return response
