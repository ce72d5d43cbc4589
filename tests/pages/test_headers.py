"""What every answer carries, whatever kind of answer it is."""

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shop.app import create_app
from shop.config import Settings
from shop.db import Database
from shop.web.assets import asset_url
from tests.builders import a_product, shipping_to
from tests.conftest import Shop
from tests.support.reader import Reader

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def stocked(database: Database) -> None:
    with database.transaction() as session:
        a_product(session, "mug")
        shipping_to(session, "SG")


@pytest.fixture
def app_with(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., Flask]]:
    """Makes shops with other settings, and closes them."""
    made: list[Flask] = []

    def make(**overrides: object) -> Flask:
        made.append(create_app(make_settings(**overrides)))
        return made[-1]

    yield make
    for app in made:
        app.extensions["understory"].database.close()


def each_kind(client: FlaskClient) -> dict[str, tuple[int, TestResponse]]:
    """One answer of each kind that the shop gives, and the status that it should have."""
    return {
        "page": (200, client.get("/")),
        "product": (200, client.get("/products/mug")),
        "cart": (200, client.get("/cart")),
        "head": (200, client.head("/")),
        "options": (200, client.options("/")),
        "static file": (200, client.get(asset_url("shop.css"), buffered=True)),
        "static file gone": (404, client.get("/static/nothing.css")),
        "picture gone": (404, client.get("/media/nothing-320.jpg")),
        "unknown address": (404, client.get("/nothing")),
        "unknown product": (404, client.get("/products/nothing")),
        "unknown order": (404, client.get("/orders/" + "x" * 32)),
        "wrong method": (405, client.delete("/cart")),
        "redirect": (303, client.get("/cart/handover/" + "x" * 32)),
        "redirect of the router": (308, client.get("//products//mug")),
        "login wanted": (303, client.get("/admin/products")),
        "forged": (400, client.post("/cart/lines", headers={"Sec-Fetch-Site": "cross-site"})),
        "refused form": (422, client.post("/cart/lines", data={"product": "mug", "quantity": "x"}, headers=SAME)),
        "too large": (413, client.post("/cart/lines", data={"product": "x" * 70_000}, headers=SAME)),
        "webhook refused": (400, client.post("/webhooks/stripe")),
        "health": (200, client.get("/healthz")),
        "problem": (404, client.get("/nothing", headers={"Accept": "application/json"})),
    }


def too_often(client: FlaskClient) -> TestResponse:
    return [client.post("/cart/lines", headers=SAME) for _ in range(61)][-1]


def fresh(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


def test_each_kind_of_answer_is_what_it_should_be(app: Flask, stocked: None) -> None:
    for kind, (status, answer) in each_kind(fresh(app)).items():
        assert answer.status_code == status, kind


def test_each_kind_of_answer_is_guarded(app: Flask, stocked: None) -> None:
    answers = {kind: answer for kind, (_, answer) in each_kind(fresh(app)).items()}
    answers["too often"] = too_often(fresh(app))
    assert answers["too often"].status_code == 429
    for kind, answer in answers.items():
        headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, kind
        assert "script-src 'self';" in policy, kind
        assert "style-src 'self';" in policy, kind
        assert "frame-ancestors 'none'" in policy, kind
        assert "base-uri 'none'" in policy, kind
        assert "unsafe" not in policy, kind
        assert headers["X-Content-Type-Options"] == "nosniff", kind
        assert headers["X-Frame-Options"] == "DENY", kind
        assert headers["Referrer-Policy"] in {"strict-origin-when-cross-origin", "no-referrer"}, kind
        assert "Permissions-Policy" in headers, kind
        assert headers["Cache-Control"], kind
        assert re.fullmatch(r"[A-Za-z0-9_-]{8,64}", headers["X-Request-Id"]), kind
        # Plain http: a browser that once saw it would refuse the demo for two years.
        assert "Strict-Transport-Security" not in headers, kind


def test_over_https_each_kind_of_answer_asks_for_https_from_now_on(
    app_with: Callable[..., Flask], stocked: None
) -> None:
    client = fresh(app_with(shop_url="https://shop.example"))
    answers = {kind: answer for kind, (_, answer) in each_kind(client).items()}
    answers["too often"] = too_often(client)
    for kind, answer in answers.items():
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000"), kind


def test_an_exception_that_nobody_expected_is_guarded_too(
    app: Flask, stocked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(app.view_functions, "storefront.shelf", broken)
    answer = fresh(app).get("/")
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-Id"]


def test_the_payment_page_is_the_only_foreign_place_that_a_form_may_lead_to(
    app: Flask, app_with: Callable[..., Flask], stocked: None
) -> None:
    ours = fresh(app).get("/cart").headers["Content-Security-Policy"]
    assert "form-action 'self' http://127.0.0.1:9;" in ours
    real = fresh(app_with(stripe_api_base="")).get("/cart").headers["Content-Security-Policy"]
    assert "form-action 'self' https://checkout.stripe.com;" in real


@pytest.mark.parametrize("path", ["/", "/products/mug", "/cart", "/nothing"])
def test_pages_obey_their_own_policy(app: Flask, stocked: None, path: str) -> None:
    page = Reader(app.test_client()).get(path)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page.text)
    for tag, at in page.tags:
        if tag in {"script", "img", "source"}:
            assert at.get("src", "/").startswith("/"), at
        if tag == "script" and at.get("type") != "application/ld+json":  # data, which nothing runs
            assert at.get("src"), at
        if tag == "link" and at["rel"] in {"stylesheet", "icon"}:
            assert at["href"].startswith("/"), at


@pytest.mark.parametrize("given", ["a1b2c3d4", "from-the_proxy-1234", "x" * 64])
def test_the_proxys_name_for_a_request_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "with space", "<script>", "line\tbreak", "üüüüüüüüüü", "٠١٢٣٤٥٦٧٨٩", "a;b=c;d=e"]
)
def test_a_name_that_could_do_harm_is_replaced(client: FlaskClient, given: str) -> None:
    raw = given.encode().decode("latin-1")
    for value in {raw, given} if given.isascii() or max(map(ord, given)) < 256 else {raw}:
        named = client.get("/healthz", environ_overrides={"HTTP_X_REQUEST_ID": value}).headers["X-Request-Id"]
        assert re.fullmatch(r"[0-9a-f]{16}", named)


def test_two_requests_have_two_names(client: FlaskClient) -> None:
    first, second = (client.get("/healthz").headers["X-Request-Id"] for _ in range(2))
    assert first != second


def test_static_files_are_kept_for_ever_and_pages_are_not(app: Flask, stocked: None) -> None:
    client = app.test_client()
    kept = client.get(asset_url("shop.css"), buffered=True).headers["Cache-Control"]
    assert "max-age=31536000" in kept
    assert "Set-Cookie" not in client.get(asset_url("shop.css"), buffered=True).headers
    for path in ("/", "/products/mug", "/cart"):
        assert client.get(path).headers["Cache-Control"] in {"private, no-cache", "no-store"}, path
    for answer in (client.get("/static/nothing.css"), client.get("/media/x-320.jpg")):
        assert "max-age" not in answer.headers["Cache-Control"]


# Cookies


def cookies(answer: TestResponse) -> dict[str, str]:
    return {line.partition("=")[0]: line for line in answer.headers.getlist("Set-Cookie")}


def fill_cart(app: Flask, **environ: str) -> dict[str, str]:
    """The cookies that a browser has been given when a mug is in its cart."""
    client = app.test_client()
    base = "https://shop.example" if environ else "http://localhost"
    page = client.get("/products/mug", base_url=base)
    found = cookies(page)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    answer = client.post("/cart/lines", data={"product": "mug", "csrf_token": token[1]}, base_url=base)
    assert answer.status_code == 303, answer.text
    return found | cookies(answer)


def test_over_plain_http_the_cookies_are_plain_but_out_of_reach_of_scripts(app: Flask, stocked: None) -> None:
    given = fill_cart(app)
    assert set(given) == {"session", "cart"}
    for line in given.values():
        assert "HttpOnly" in line
        assert "SameSite=Lax" in line
        assert "Path=/" in line
        assert "Secure" not in line
        assert "Domain" not in line
    assert f"Max-Age={30 * 86400}" in given["cart"]


def test_behind_a_proxy_over_https_the_cookies_are_bound_to_this_host(
    app_with: Callable[..., Flask], stocked: None
) -> None:
    given = fill_cart(app_with(shop_url="https://shop.example", shop_proxies=1), proxied="yes")
    assert set(given) == {"__Host-session", "__Host-cart"}
    for line in given.values():
        assert "Secure" in line
        assert "HttpOnly" in line
        assert "SameSite=Lax" in line
        assert "Path=/" in line
        assert "Domain" not in line


def test_a_plain_cookie_planted_over_http_opens_no_cart_over_https(
    app: Flask, app_with: Callable[..., Flask], stocked: None
) -> None:
    planted = fill_cart(app)["cart"].partition(";")[0].partition("=")[2]
    secure = app_with(shop_url="https://shop.example").test_client()
    secure.set_cookie("cart", planted, domain="shop.example")
    page = secure.get("/cart", base_url="https://shop.example")
    assert "There is nothing in it yet" in page.text


def test_the_redirect_after_adding_stays_on_this_host_whatever_the_proxy_is_told(
    app_with: Callable[..., Flask], stocked: None
) -> None:
    client = fresh(app_with(shop_url="https://shop.example", shop_proxies=1))
    answer = client.post("/cart/lines", data={"product": "mug"}, headers={**SAME, "X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/cart?added=1"


def test_without_proxies_set_nobody_is_believed_about_where_they_come_from(
    app: Flask, app_with: Callable[..., Flask], stocked: None
) -> None:
    seen: list[str | None] = []
    for made in (app, app_with(shop_proxies=1)):
        with made.test_client() as client:
            client.get("/", headers={"X-Forwarded-For": "203.0.113.9"})
            seen.append(request.remote_addr)
    assert seen == ["127.0.0.1", "203.0.113.9"]


def test_reading_the_shelf_the_cart_and_an_order_sets_no_cookie(shop: Shop) -> None:
    client = shop.app.test_client()
    for path in ("/", "/cart", "/orders/" + "x" * 32):
        assert "Set-Cookie" not in client.get(path).headers, path


@pytest.mark.parametrize(
    "path", ["/", "/products/mug", "/cart", "/nothing", "/embed/frame?product=mug", "/embed.js", "/healthz"]
)
def test_asking_for_the_head_alone_gets_the_head_of_the_page(app: Flask, stocked: None, path: str) -> None:
    def named(answer: TestResponse) -> dict[str, str]:
        return {name: value for name, value in answer.headers.items() if name not in {"X-Request-Id", "Set-Cookie"}}

    whole, head = fresh(app).get(path), fresh(app).head(path)
    assert head.status_code == whole.status_code
    assert named(head) == named(whole)
    assert head.data == b""


@pytest.mark.parametrize("version", ["", "?v=", "?v=0123456789ab"])
def test_a_static_file_under_another_releases_address_is_not_kept_for_long(client: FlaskClient, version: str) -> None:
    with client.get(f"/static/shop.css{version}") as answer:
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("name", ["..%2fassets.py", "css%2fshop.css", ".", "%00"])
def test_what_is_no_static_file_is_not_there(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/{name}?v=x").status_code == 404
