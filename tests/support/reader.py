"""A reader at a browser without scripts: opens pages, sees their words, and sends their forms as they stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

UNSEEN = {"script", "style", "title"}
# What a buyer types on the local Stripe's page, to pay with a card that pays.
BUYER = {
    "email": "kim@example.com",
    "name": "Kim Reader",
    "country": "SG",
    "line1": "1 Raffles Place",
    "postal_code": "048616",
    "method": "card",
    "number": "4242 4242 4242 4242",
    "exp": "12 / 34",
    "cvc": "123",
}


@dataclass
class Form:
    """A form as it would be sent now."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.words: list[str] = []
        self.by_id: dict[str, str] = {}
        self._form: Form | None = None
        self._select = ""
        self._area = ""
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        self.tags.append((tag, at))
        if tag == "br":
            self.words.append(" ")
        if tag not in {"meta", "link", "input", "img", "br", "source", "hr"}:
            self._open.append((tag, at.get("id", "")))
        if tag == "form":
            self._form = Form(at.get("action", ""), at.get("method", "get").lower())
            self.forms.append(self._form)
        if self._form is None:
            return
        name = at.get("name", "")
        if tag == "input" and name and (at.get("type") not in {"radio", "checkbox"} or "checked" in at):
            self._form.fields[name] = at.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "textarea":
            self._area = name
            self._form.fields[name] = ""
        elif tag == "option" and self._select and ("selected" in at or self._select not in self._form.fields):
            self._form.fields[self._select] = at.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = ""
        if tag == "textarea":
            self._area = ""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._area:
            # A line break right after the tag belongs to the markup (HTML, 13.2.6.4.7).
            typed = self._form.fields[self._area]
            self._form.fields[self._area] = typed + (data if typed else data.removeprefix("\r").removeprefix("\n"))
        if any(tag in UNSEEN for tag, _ in self._open):
            return
        self.words.append(data)
        for _, name in self._open:
            if name:
                self.by_id[name] = self.by_id.get(name, "") + data


class Page:
    """An answer, read: `words` is its text as a reader sees it, `tags` its elements with their attributes."""

    def __init__(self, answer: TestResponse) -> None:
        self.answer = answer
        self.status = answer.status_code
        self.headers = answer.headers
        self.location = answer.headers.get("Location", "")
        self.text = answer.text
        parser = _Parser()
        parser.feed(self.text)
        self.tags = parser.tags
        self.forms = parser.forms
        self.words = " ".join("".join(parser.words).split())
        self._by_id = parser.by_id

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        """The attributes of each such element."""
        return [at for name, at in self.tags if name == tag and wanted.items() <= at.items()]

    def form(self, action: str) -> Form:
        found = [form for form in self.forms if form.action == action]
        assert found, f"no form leads to {action}; there are {[form.action for form in self.forms]}"
        return found[0]

    def beside(self, control: str) -> str:
        """The message that belongs to the control with this id, or to the first one with this name; empty if none."""
        for _, at in self.tags:
            if control in {at.get("id"), at.get("name")} and "aria-describedby" in at:
                return " ".join(" ".join(self._by_id.get(part, "") for part in at["aria-describedby"].split()).split())
        return ""


class Reader:
    """One browser, with its cookies."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **query: str) -> Page:
        return Page(self.client.get(path, query_string=query or None))

    def follow(self, page: Page) -> Page:
        """The page that a redirect leads to."""
        assert page.status in {302, 303}, page.words
        parts = urlsplit(page.location)
        return self.get(f"{parts.path}?{parts.query}" if parts.query else parts.path)

    def send(self, page: Page, action: str, to: str = "", **typed: str) -> Page:
        """Send the page's form that leads to `action` with these fields changed (`to` is a button's own address)."""
        form = page.form(action)
        assert form.method == "post"
        return Page(self.client.post(to or action, data=form.fields | typed))

    def add(self, slug: str, **typed: str) -> Page:
        """Open a product's page and press "Add to cart"."""
        return self.send(self.get(f"/products/{slug}"), "/cart/lines", **{"then": "cart", **typed})

    def buy(self, slug: str, **typed: str) -> Page:
        """Open a product's page and press "Buy now"."""
        return self.add(slug, then="pay", **typed)

    def pay(self, **typed: str) -> Page:
        """Open the cart and press "Pay"."""
        return self.send(self.get("/cart"), "/checkout", **typed)


class OverHttp:
    """What `Reader` asks of a client, over real HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def get(self, path: str, query_string: Any = None) -> requests.Response:
        return self.session.get(self.url + path, params=query_string, allow_redirects=False, timeout=60)

    def post(self, path: str, data: Mapping[str, str]) -> requests.Response:
        return self.session.post(self.url + path, data=data, allow_redirects=False, timeout=60)
