"""What is measured: each kind of request, as its visitor sends it, and what it may cost."""

from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urlencode

import stripe

from bench.load import Ask
from bench.premises import STORY, Premises

Made = Callable[[Premises, int], list[Ask]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request. `make` prepares so many of them; the aims are times the bare app's CPU, and SQL statements.

    `bare_too`: the bare app gets the very same requests; otherwise it says hello as often.
    """

    name: str
    make: Made
    most_cpu: float | None
    most_statements: int
    bare_too: bool = False


class _Form(HTMLParser):
    """The fields of a page's form as a reader sends them who chooses the first of everything."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and "name" in given and "disabled" not in given:
            if given.get("type") == "radio":
                self.fields.setdefault(given["name"], given["value"])
            else:
                self.fields[given["name"]] = given.get("value", "")


def product_page(shop: Premises, count: int) -> list[Ask]:
    """By a reader who comes from a story, for the first time."""
    return [Ask("GET", f"/products/{shop.slug}?{_story()}", 200)] * count


def product_page_again(shop: Premises, count: int) -> list[Ask]:
    """By a reader who has been here before, and has the cookies."""
    cookie, _ = _storefront_form(shop)
    return [Ask("GET", f"/products/{shop.slug}", 200, {"Cookie": cookie})] * count


def product_list(shop: Premises, count: int) -> list[Ask]:
    """The shelf's first page."""
    return [Ask("GET", "/", 200)] * count


def embed_frame(shop: Premises, count: int) -> list[Ask]:
    """The card under a story."""
    return [Ask("GET", f"/embed/frame?product={shop.slug}&{_story()}", 200)] * count


def first_add(shop: Premises, count: int) -> list[Ask]:
    """Into a cart that is made for it."""
    cookie, fields = _storefront_form(shop)
    return [_post("/cart/lines", fields, 303, Cookie=cookie)] * count


def next_add(shop: Premises, count: int) -> list[Ask]:
    """Into a cart that has a line already."""
    cookie, fields = _storefront_form(shop)
    return [_post("/cart/lines", fields, 303, Cookie=f"{cookie}; cart={handle}") for handle in shop.carts(count)]


def first_embed_add(shop: Premises, count: int) -> list[Ask]:
    """From the card, into a cart that is made for it."""
    return [_post("/embed/cart", _embed_form(shop), 200)] * count


def next_embed_add(shop: Premises, count: int) -> list[Ask]:
    """From the card, into a cart that has a line already."""
    fields = _embed_form(shop)
    return [_post("/embed/cart", fields | {"handle": handle}, 200) for handle in shop.carts(count)]


def webhook(shop: Premises, count: int) -> list[Ask]:
    """An event that nobody has seen, for an order that it makes a paid one."""
    (secret,) = shop.settings.webhook_secrets
    return [
        Ask(
            "POST",
            "/webhooks/stripe",
            200,
            {
                "Content-Type": "application/json",
                "Stripe-Signature": stripe.WebhookSignature.generate_signature_header(body.decode(), secret),
            },
            body,
        )
        for body in shop.payments(count)
    ]


KINDS = (
    Kind("product page", product_page, 4, 4),
    Kind("product page, known reader", product_page_again, 4, 4),
    Kind("product list", product_list, 6, 4),
    Kind("embed frame", embed_frame, 4, 4),
    Kind("add to cart, first", first_add, None, 8),
    Kind("add to cart, next", next_add, None, 8),
    Kind("embed add, first", first_embed_add, None, 8),
    Kind("embed add, next", next_embed_add, None, 8),
    Kind("webhook, paid", webhook, 2.5, 8, bare_too=True),
)


def _story() -> str:
    return urlencode({"story": STORY.url, "title": STORY.title})


def _storefront_form(shop: Premises) -> tuple[str, dict[str, str]]:
    """The session's cookie and the filled form of a product page."""
    answer = shop.app.test_client(use_cookies=False).get(f"/products/{shop.slug}?{_story()}")
    assert answer.status_code == 200, answer.text
    return answer.headers["Set-Cookie"].partition(";")[0], _Form(answer.text).fields | {"then": "cart"}


def _embed_form(shop: Premises) -> dict[str, str]:
    answer = shop.app.test_client(use_cookies=False).get(f"/embed/frame?product={shop.slug}&{_story()}")
    assert answer.status_code == 200, answer.text
    return _Form(answer.text).fields


def _post(path: str, fields: dict[str, str], status: int, **headers: str) -> Ask:
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return Ask("POST", path, status, form, urlencode(fields).encode())
