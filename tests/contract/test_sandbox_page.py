"""The hosted payment page as a browser without scripts meets it: forms in, pages and redirects out."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe
from markupsafe import escape
from stripe.checkout import Session

from shop.sandbox.addresses import NEEDS_STATE
from shop.sandbox.cards import CARDS, TestCard
from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import SHIPPED, a_line
from tests.support.payment_page import Buyer, Fields
from tests.support.reader import BUYER

Create = Callable[..., Session]

PICKED = {"number": "", "exp": "", "cvc": ""}


@pytest.fixture
def buyer(checkout: Create) -> Buyer:
    return Buyer(str(checkout(**SHIPPED).url))


def key_of(buyer: Buyer) -> str:
    return buyer.url.rsplit("/", 1)[1]


def test_paying_leads_back_to_the_shop_at_once_with_the_sessions_id(buyer: Buyer, local: RunningSandbox) -> None:
    answer = buyer.send(**BUYER)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"http://127.0.0.1:9/return?session={key_of(buyer)}"
    session = local.control.session(key_of(buyer))
    assert (session["payment_status"], session["customer_details"]["email"]) == ("paid", "kim@example.com")


def test_the_test_buyer_button_fills_the_form_and_the_picked_card_pays(buyer: Buyer, local: RunningSandbox) -> None:
    filled = buyer.send(fill="1")
    assert filled.status_code == 200
    assert local.control.session(key_of(buyer))["status"] == "open"
    assert buyer.send().status_code == 303
    assert local.control.session(key_of(buyer))["collected_information"]["shipping_details"]["name"] == "Ada Reader"


@pytest.mark.parametrize("country", ["SG", "US"])
def test_the_test_buyer_lives_in_the_chosen_country(buyer: Buyer, country: str) -> None:
    buyer.send(fill="1", country=country)
    assert buyer.fields.values["country"] == country
    assert buyer.send().status_code == 303


def test_the_chosen_shipping_is_what_is_paid(buyer: Buyer, local: RunningSandbox) -> None:
    courier = local.control.session(key_of(buyer))["shipping_options"][1]["shipping_rate"]
    buyer.send(**BUYER, shipping_option=courier)
    assert local.control.session(key_of(buyer))["amount_total"] == 6400


def test_the_page_shows_what_is_paid_for_in_the_sessions_currency(checkout: Create) -> None:
    lines = [a_line(21000, "krw", quantity=2, name="Mug & <spoon>")]
    lines[0]["price_data"]["product_data"]["images"] = ["https://shop.example/mug.webp"]
    page = Buyer(str(checkout(line_items=lines).url)).page
    assert "₩42,000" in page.text
    assert "2 \N{MULTIPLICATION SIGN} ₩21,000" in page.text
    assert "Mug &amp; &lt;spoon&gt;" in page.text
    assert 'src="https://shop.example/mug.webp"' in page.text
    assert "img-src 'self' https://shop.example;" in page.headers["Content-Security-Policy"]
    assert "Local Stripe, no real money" in page.text
    assert 'name="line1"' not in page.text, "no address is asked for that the shop does not want"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("email", "", "Enter your e-mail address."),
        ("email", "kim", "This is not an e-mail address"),
        ("name", " ", "Enter your full name."),
        ("country", "MY", "The shop does not send to this country."),
        ("line1", "", "Enter the street and house number."),
        ("line1", "x" * 201, "This is too long"),
        ("postal_code", "", "Enter the postal code"),
        ("postal_code", "4861", "This is not a postal code of Singapore."),
        ("number", "4242 4242 4242 4241", "Your card number is invalid."),
        ("number", "4242", "Your card number is invalid."),
        ("postal_code", "٠٤٨٦١٦", "This is not a postal code of Singapore."),
        ("number", "", "Your card number is invalid."),
        ("number", "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", "Your card number is invalid."),
        ("exp", "13/34", "Enter the expiry date as month and year"),
        ("exp", "", "Enter the expiry date as month and year"),
        ("exp", "01/20", "Your card&#39;s expiration date is in the past."),
        ("cvc", "12", "Enter the 3 digits of your card&#39;s security code."),
        ("cvc", "", "Enter the 3 digits of your card&#39;s security code."),
    ],
)
def test_a_mistake_is_told_beside_its_field_and_what_was_typed_is_kept(
    buyer: Buyer, local: RunningSandbox, field: str, value: str, message: str
) -> None:
    answer = buyer.send(**(BUYER | {field: value}))
    assert answer.status_code == 422
    assert message in answer.text
    assert buyer.fields.wrong == {field: f"{field}-error"}
    assert f"{field}-error" in buyer.fields.ids
    for name, typed in (BUYER | {field: value}).items():
        if name not in ("country", field):
            assert buyer.fields.values[name] == typed
    session = local.control.session(key_of(buyer))
    assert (session["status"], session["payment_intent"]) == ("open", None)


def test_an_american_address_needs_a_state(buyer: Buyer) -> None:
    address = {"country": "US", "line1": "350 Fifth Avenue", "city": "New York", "postal_code": "10118"}
    assert buyer.send(**(BUYER | address)).status_code == 422
    assert buyer.fields.wrong == {"state": "state-error"}
    assert buyer.send(**(BUYER | address | {"state": "NY"})).status_code == 303


@pytest.mark.parametrize(
    ("card", "field", "message"),
    [
        ("4000000000000002", "number", "Your card was declined."),
        ("4000000000009995", "number", "Your card has insufficient funds."),
        ("4000000000000069", "exp", "Your card has expired."),
        ("4000000000000127", "cvc", "Your card&#39;s security code is incorrect."),
    ],
)
def test_a_decline_is_told_beside_the_card_and_the_next_card_pays(
    buyer: Buyer, local: RunningSandbox, card: str, field: str, message: str
) -> None:
    answer = buyer.send(**(BUYER | {"number": card}))
    assert answer.status_code == 422
    assert message in answer.text
    assert list(buyer.fields.wrong) == [field]
    assert buyer.fields.values["number"] == card
    assert buyer.send(number="4242424242424242").status_code == 303
    assert local.control.session(key_of(buyer))["payment_status"] == "paid"


@pytest.mark.parametrize("card", [card for card in CARDS if card.decline], ids=lambda card: card.label)
def test_a_picked_card_that_is_declined_is_told_beside_the_picker_and_nothing_is_reset(
    buyer: Buyer, card: TestCard
) -> None:
    courier = re.findall(r'value="(shr_\w+)"', buyer.page.text)[1]
    filled = BUYER | PICKED | {"test_card": card.number, "shipping_option": courier}
    assert buyer.send(**filled).status_code == 422
    assert card.decline is not None
    assert escape(card.decline.message) in buyer.page.text
    assert buyer.fields.wrong == {"test_card": "test_card-hint test_card-error"}
    assert {name: buyer.fields.values[name] for name in filled} == filled
    assert buyer.send(test_card="4242424242424242").status_code == 303


def test_a_state_that_belongs_to_another_country_is_left_out(buyer: Buyer, local: RunningSandbox) -> None:
    assert buyer.send(**(BUYER | {"state": "NY"})).status_code == 303
    session = local.control.session(key_of(buyer))
    assert session["collected_information"]["shipping_details"]["address"]["state"] is None


def test_3d_secure_asks_on_a_page_of_its_own_and_then_pays(buyer: Buyer, local: RunningSandbox) -> None:
    asked = buyer.send(**(BUYER | {"number": "4000002500003155"}))
    assert (asked.status_code, asked.headers["Location"]) == (303, f"/c/pay/{key_of(buyer)}/3ds")
    bank = Buyer(f"{buyer.url}/3ds")
    assert "S$54.00" in bank.page.text
    assert bank.send(result="complete").headers["Location"].startswith("http://127.0.0.1:9/return")
    assert local.control.session(key_of(buyer))["payment_status"] == "paid"


def test_a_failed_3d_secure_returns_to_the_form_with_what_was_typed(buyer: Buyer, local: RunningSandbox) -> None:
    buyer.send(**(BUYER | {"number": "4000002500003155"}))
    bank = Buyer(f"{buyer.url}/3ds")
    answer = bank.send(result="fail")
    assert answer.status_code == 422
    assert "We are unable to authenticate your payment method." in answer.text
    assert bank.fields.values["email"] == "kim@example.com"
    assert bank.fields.values["line1"] == "1 Raffles Place"
    assert bank.fields.values["number"] == "4000002500003155"
    assert bank.fields.values["exp"] == "12 / 34"
    assert bank.send(buyer.url, cvc="123", number="4242424242424242").status_code == 303
    assert local.control.session(key_of(buyer))["payment_status"] == "paid"


def test_a_picked_card_that_fails_3d_secure_is_picked_still_and_told_beside_the_picker(buyer: Buyer) -> None:
    courier = re.findall(r'value="(shr_\w+)"', buyer.page.text)[1]
    buyer.send(**(BUYER | PICKED | {"test_card": "4000008400001629", "shipping_option": courier}))
    bank = Buyer(f"{buyer.url}/3ds")
    bank.send(result="complete")
    assert bank.fields.values["test_card"] == "4000008400001629"
    assert bank.fields.values["shipping_option"] == courier
    assert bank.fields.values["number"] == ""
    assert bank.fields.wrong == {"test_card": "test_card-hint test_card-error"}


def test_an_answered_3d_secure_is_not_asked_again(buyer: Buyer) -> None:
    buyer.send(**(BUYER | {"number": "4000002500003155"}))
    bank = Buyer(f"{buyer.url}/3ds")
    answer = Fields(bank.page.text).values | {"result": "fail"}
    assert bank.send(result="fail").status_code == 422
    assert Buyer(f"{buyer.url}/3ds").page.url == buyer.url
    again = requests.post(f"{buyer.url}/3ds", answer, timeout=5)
    assert (again.status_code, again.url) == (200, buyer.url), "a second click leads to the form"


def test_a_second_tab_takes_the_place_of_the_card_that_was_to_be_authenticated(
    buyer: Buyer, local: RunningSandbox
) -> None:
    courier = local.control.session(key_of(buyer))["shipping_options"][1]["shipping_rate"]
    buyer.send(**(BUYER | {"number": "4000002500003155"}))
    left_open = Buyer(f"{buyer.url}/3ds")
    second = Buyer(buyer.url)
    second.send(**(BUYER | {"number": "4000000000000002", "shipping_option": courier}))
    assert left_open.send(result="complete").headers["Location"] == f"/c/pay/{key_of(buyer)}/3ds"
    assert local.control.session(key_of(buyer))["status"] == "open"
    second.send(**(BUYER | {"number": "4000002760003184", "shipping_option": courier}))
    assert left_open.send(f"{buyer.url}/3ds", result="complete").headers["Location"] == f"/c/pay/{key_of(buyer)}/3ds"
    assert local.control.session(key_of(buyer))["status"] == "open", "that answer was about the other card"
    asked = Buyer(f"{buyer.url}/3ds")
    assert "card ending in 3184" in asked.page.text
    asked.send(result="complete")
    session = local.control.session(key_of(buyer))
    (charge,) = local.control.events("charge.succeeded")
    assert session["amount_total"] == charge["data"]["object"]["amount"] == 6400


def test_a_delayed_debit_goes_back_to_the_shop_unpaid(buyer: Buyer, local: RunningSandbox) -> None:
    assert buyer.send(**(BUYER | {"method": "delayed_debit"})).status_code == 303
    session = local.control.session(key_of(buyer))
    assert (session["status"], session["payment_status"]) == ("complete", "unpaid")
    assert "This payment is with the bank" in requests.get(buyer.url, timeout=5).text


def test_only_the_ways_to_pay_that_the_shop_left_are_offered(checkout: Create) -> None:
    buyer = Buyer(str(checkout(excluded_payment_method_types=["sepa_debit"]).url))
    assert "Delayed bank debit" not in buyer.page.text
    assert buyer.send(**(BUYER | {"method": "delayed_debit"})).status_code == 422


def test_a_second_click_goes_to_the_shop_and_charges_nothing_more(buyer: Buyer, local: RunningSandbox) -> None:
    form = Fields(buyer.page.text).values | BUYER
    answers = [requests.post(buyer.url, form, allow_redirects=False, timeout=5) for _ in range(2)]
    assert {answer.headers["Location"] for answer in answers} == {f"http://127.0.0.1:9/return?session={key_of(buyer)}"}
    assert len(local.control.events("charge.succeeded")) == 1


def test_a_paid_page_says_so_and_leads_back(buyer: Buyer, local: RunningSandbox) -> None:
    local.control.pay(key_of(buyer))
    page = requests.get(buyer.url, timeout=5)
    assert page.status_code == 200
    assert "This has been paid" in page.text
    assert f'href="http://127.0.0.1:9/return?session={key_of(buyer)}"' in page.text


def test_an_expired_page_takes_no_money_and_leads_back(buyer: Buyer, local: RunningSandbox) -> None:
    local.control.advance(24 * 3600)
    for page in (requests.get(buyer.url, timeout=5), buyer.send(**BUYER)):
        assert page.status_code == 410
        assert "This payment page has expired" in page.text
        assert 'href="http://127.0.0.1:9/cart"' in page.text
    assert local.control.events("charge.succeeded") == []


def test_the_cancel_link_is_there_only_when_the_shop_gave_one(checkout: Create, buyer: Buyer) -> None:
    assert '<a class="back" href="http://127.0.0.1:9/cart">' in buyer.page.text
    assert 'class="back"' not in Buyer(str(checkout(cancel_url=None).url)).page.text


def test_a_form_of_another_page_pays_nothing(buyer: Buyer, local: RunningSandbox) -> None:
    answer = buyer.send(**BUYER, token="guessed")
    assert answer.status_code == 400
    assert "This form was not from this page" in answer.text
    assert local.control.session(key_of(buyer))["status"] == "open"


def test_a_page_of_nobody_is_a_404_in_the_pages_own_look(local: RunningSandbox) -> None:
    for path, heading in (("c/pay/cs_test_x", "There is no such payment page"), ("nowhere", "There is no such page")):
        page = requests.get(f"{local.url}/{path}", timeout=5)
        assert page.status_code == 404
        assert heading in page.text
        assert "Local Stripe, no real money" in page.text


def test_pages_carry_a_strict_policy_and_nothing_inline(buyer: Buyer, local: RunningSandbox) -> None:
    for page in (buyer.page, requests.get(f"{local.url}/", timeout=5)):
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in policy
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", page.text)
        assert page.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in page.headers
    assert "form-action 'self' http://127.0.0.1:9;" in buyer.page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://münchen.example/return", "https://xn--mnchen-3ya.example"),
        ("https://例え.jp:8443/return", "https://xn--r8jz45g.jp:8443"),
        ("https://kim:secret@shop.example/return", "https://shop.example"),
        ("http://[::1]:8000/return", "http://[::1]:8000"),
    ],
)
def test_the_policy_names_the_shop_in_letters_that_a_header_can_carry(
    checkout: Create, address: str, origin: str
) -> None:
    page = Buyer(str(checkout(success_url=address).url)).page
    assert f"form-action 'self' {origin};" in page.headers["Content-Security-Policy"]


def test_every_field_has_a_label_and_the_promised_name(buyer: Buyer) -> None:
    page = buyer.page.text
    for name in [
        "email",
        "name",
        "line1",
        "line2",
        "city",
        "state",
        "postal_code",
        "country",
        "number",
        "exp",
        "cvc",
        "test_card",
    ]:
        assert re.search(rf'<(input|select) id="{name}" name="{name}"', page)
        assert f'<label for="{name}">' in page
    assert re.search(r'<button class="pay">.*Pay S\$54\.00', page)


def test_the_stylesheet_hides_the_state_for_the_countries_that_need_none(local: RunningSandbox) -> None:
    sheet = requests.get(f"{local.url}/static/sandbox.css", timeout=5).text
    (rule,) = re.findall(r"#country option:is\(([^)]*)\)", sheet)
    assert set(re.findall(r'"(\w\w)"', rule)) == NEEDS_STATE


def test_no_card_number_is_kept_or_written_to_the_log(
    api: stripe.StripeClient, checkout: Create, local: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for number in ("4242424242424242", "4000002500003155", "4000000000000002", "4111111111111111"):
        Buyer(str(checkout(**SHIPPED).url)).send(**(BUYER | {"number": number, "cvc": "987"}))
    account: Any = local.app.extensions["sandbox"]
    with account.store.transaction() as tx:
        kept = "\n".join(tx.sql.iterdump())
    for number in ("4242424242424242", "4000002500003155", "4000000000000002", "4111111111111111", "4242 4242"):
        assert number not in kept
        assert number not in caplog.text
    assert "987" not in re.sub(r"\w{10,}|\d+\.\d+", "", kept)
    assert '"last4": "4242"' in kept
