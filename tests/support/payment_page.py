"""A buyer without scripts on the payment page: forms in, pages and redirects out."""

from html.parser import HTMLParser

import requests


class Fields(HTMLParser):
    """The form's fields as a browser would send them, and which of them are marked as wrong."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.wrong: dict[str, str | None] = {}
        self.ids: set[str] = set()
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids.add(given.get("id") or "")
        name = given.get("name") or ""
        if given.get("aria-invalid"):
            self.wrong[name] = given.get("aria-describedby")
        if tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.values[self._select] = given.get("value") or ""
        elif tag == "input" and (given.get("type") != "radio" or "checked" in given):
            self.values[name] = given.get("value") or ""


class Buyer:
    """Opens a session's page and sends its form."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.page = requests.get(url, timeout=5)

    def send(self, url: str | None = None, **fields: str) -> requests.Response:
        values = Fields(self.page.text).values | fields
        self.page = requests.post(url or self.url, values, allow_redirects=False, timeout=5)
        return self.page

    @property
    def fields(self) -> Fields:
        return Fields(self.page.text)
