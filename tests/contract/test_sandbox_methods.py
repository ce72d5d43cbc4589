"""Ways to pay beside the card: PayNow's code, GrabPay's page, the bank's debit, and codes that take something off."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe
from hypothesis import given
from hypothesis import strategies as st
from stripe.checkout import Session

from shop.sandbox.promotions import shares
from shop.sandbox.refusals import Refusal
from shop.sandbox.server import RunningSandbox
from tests.contract.conftest import SHIPPED, a_line
from tests.support.payment_page import Buyer
from tests.support.reader import BUYER

Create = Callable[..., Session]
APPS = ("paynow", "grabpay")


@pytest.mark.parametrize(
    ("currency", "excluded", "offered"),
    [
        ("sgd", [], ["card", "paynow", "grabpay", "sepa_debit"]),
        ("myr", [], ["card", "grabpay", "sepa_debit"]),
        ("usd", [], ["card", "us_bank_account"]),
        ("sgd", ["paynow", "sepa_debit"], ["card", "grabpay"]),
        ("sgd", ["card"], ["paynow", "grabpay", "sepa_debit"]),
    ],
)
def test_the_currency_and_the_shop_decide_what_is_offered(
    local: RunningSandbox, checkout: Create, currency: str, excluded: list[str], offered: list[str]
) -> None:
    session = checkout(line_items=[a_line(currency=currency)], excluded_payment_method_types=excluded or None)
    assert session.payment_method_types == offered
    shown = re.findall(r'id="method-(\w+)"', requests.get(str(session.url), timeout=5).text)
    assert shown == [kind if kind in ("card", *APPS) else "delayed_debit" for kind in offered]
    for kind in set(APPS) - set(offered):
        with pytest.raises(Refusal, match=f"does not offer the payment method type {kind}"):
            local.control.pay(session.id, method=kind)
        assert Buyer(str(session.url)).send(**(BUYER | {"method": kind})).status_code == 422
    assert local.control.session(session.id)["status"] == "open"


@pytest.mark.parametrize("method", APPS)
def test_an_app_pays_once_the_buyer_has_said_yes_there(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, method: str
) -> None:
    session = checkout(**SHIPPED)
    buyer = Buyer(str(session.url))
    asked = buyer.send(**(BUYER | {"method": method}))
    assert (asked.status_code, asked.headers["Location"]) == (303, f"/c/pay/{session.id}/{method}")
    waiting: Any = api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["payment_intent"]}).payment_intent
    assert (waiting.status, waiting.latest_charge) == ("requires_action", None)
    app = Buyer(f"{buyer.url}/{method}")
    assert "S$54.00" in app.page.text
    assert app.send(result="complete").headers["Location"].startswith("http://127.0.0.1:9/return")
    paid: Any = api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["payment_intent.latest_charge"]})
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    charge = paid.payment_intent.latest_charge
    assert charge.id.startswith("py_")
    assert (charge.payment_method_details.type, charge.amount) == (method, 5400)
    types = [event["type"] for event in local.control.events()]
    assert types == [
        "payment_intent.created",
        "payment_intent.requires_action",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize(("method", "said"), [("paynow", "The PayNow code ran out"), ("grabpay", "GrabPay did not")])
def test_an_app_that_says_no_leads_back_to_the_form_and_another_way_pays(
    local: RunningSandbox, checkout: Create, method: str, said: str
) -> None:
    session = checkout(**SHIPPED)
    buyer = Buyer(str(session.url))
    buyer.send(**(BUYER | {"method": method}))
    app = Buyer(f"{buyer.url}/{method}")
    answer = app.send(result="fail")
    assert answer.status_code == 422
    assert said in answer.text
    assert app.fields.values["method"] == method
    assert app.fields.values["line1"] == "1 Raffles Place"
    assert local.control.events("charge.failed") == []
    assert app.send(buyer.url, method="card").status_code == 303
    assert local.control.session(session.id)["payment_status"] == "paid"


@pytest.mark.parametrize("method", APPS)
def test_the_controls_pay_and_fail_by_app(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create, method: str
) -> None:
    session = checkout()
    code = local.control.decline(session.id, method=method, authenticate=False)
    assert code in ("payment_intent_payment_attempt_expired", "payment_intent_authentication_failure")
    paid = local.control.pay(session.id, method=method)
    assert paid["payment_status"] == "paid"
    refund = api.v1.refunds.create(params={"payment_intent": str(paid["payment_intent"])})
    assert (refund.status, refund.id[:4]) == ("pending", "pyr_"), "what no card paid goes back in days"
    assert local.control.settle_refund(refund.id)["status"] == "succeeded"


def test_a_way_to_pay_that_there_is_not_is_named(local: RunningSandbox, checkout: Create) -> None:
    with pytest.raises(ValueError, match="method must be card, delayed_debit, paynow or grabpay, not 'cash'"):
        local.control.pay(checkout().id, method="cash")


def test_paynow_shows_a_code_for_as_long_as_it_waits(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout(**SHIPPED)
    buyer = Buyer(str(session.url))
    assert requests.get(f"{buyer.url}/paynow.svg", timeout=5).status_code == 404
    buyer.send(**(BUYER | {"method": "paynow"}))
    waiting: Any = api.v1.checkout.sessions.retrieve(session.id, params={"expand": ["payment_intent"]}).payment_intent
    code = waiting.next_action.paynow_display_qr_code
    assert waiting.next_action.type == "paynow_display_qr_code"
    assert code.data == code.hosted_instructions_url == f"{buyer.url}/paynow"
    drawn = requests.get(code.image_url_svg, timeout=5)
    assert drawn.headers["Content-Type"].startswith("image/svg+xml")
    assert b"style=" not in drawn.content
    assert requests.get(code.image_url_png, timeout=5).content.startswith(b"\x89PNG")
    page = requests.get(f"{buyer.url}/paynow", timeout=5)
    assert f'src="/c/pay/{session.id}/paynow.svg"' in page.text
    local.control.expire(session.id)
    assert requests.get(f"{buyer.url}/paynow.svg", timeout=5).status_code == 404
    assert requests.get(f"{buyer.url}/paynow", timeout=5).status_code == 410


def test_an_address_of_another_step_leads_to_the_one_that_is_waited_for(checkout: Create) -> None:
    buyer = Buyer(str(checkout(**SHIPPED).url))
    buyer.send(**(BUYER | {"method": "grabpay"}))
    assert requests.get(f"{buyer.url}/3ds", timeout=5).url == f"{buyer.url}/grabpay"


def test_an_answer_of_another_page_pays_nothing(local: RunningSandbox, checkout: Create) -> None:
    session = checkout(**SHIPPED)
    buyer = Buyer(str(session.url))
    buyer.send(**(BUYER | {"method": "paynow"}))
    Buyer(f"{buyer.url}/paynow").send(result="complete", token="guessed")
    assert local.control.session(session.id)["status"] == "open"


def test_a_page_that_was_left_open_says_by_itself_that_it_has_expired(local: RunningSandbox, checkout: Create) -> None:
    buyer = Buyer(str(checkout(**SHIPPED).url))
    wait, _, target = buyer.page.headers["Refresh"].partition("; url=")
    assert 24 * 3600 - 5 < int(wait) <= 24 * 3600 + 1
    local.control.advance(24 * 3600)
    after = requests.get(requests.compat.urljoin(buyer.url, target), timeout=5)  # type: ignore[attr-defined]
    assert (after.status_code, "Refresh" in after.headers) == (410, False)
    assert "This payment page has expired" in after.text


def test_a_code_takes_its_share_off_and_can_be_taken_back(
    api: stripe.StripeClient, local: RunningSandbox, checkout: Create
) -> None:
    session = checkout(**SHIPPED, allow_promotion_codes=True)
    buyer = Buyer(str(session.url))
    assert buyer.send(**(BUYER | {"promotion_code": " summer10 ", "apply": "1"})).status_code == 200
    assert "Pay S$49.10" in buyer.page.text, "ten per cent of the shirt, and nothing of the shipping"
    assert buyer.fields.values["email"] == "kim@example.com", "what was typed stays"
    told: Any = api.v1.checkout.sessions.retrieve(
        session.id, params={"expand": ["discounts.promotion_code", "discounts.coupon", "line_items"]}
    )
    assert (told.amount_subtotal, told.amount_total) == (4900, 4910)
    assert (told.total_details.amount_discount, told.total_details.amount_shipping) == (490, 500)
    (discount,) = told.discounts
    assert (discount.promotion_code.code, discount.coupon.percent_off) == ("SUMMER10", 10.0)
    (line,) = told.line_items.data
    assert (line.amount_subtotal, line.amount_discount, line.amount_total) == (4900, 490, 4410)
    buyer.send(remove="1")
    assert "Pay S$54.00" in buyer.page.text
    assert local.control.session(session.id)["discounts"] == []
    buyer.send(promotion_code="SUMMER10", apply="1")
    courier = local.control.session(session.id)["shipping_options"][1]["shipping_rate"]
    assert buyer.send(shipping_option=courier).status_code == 303
    paid = local.control.session(session.id)
    assert (paid["amount_total"], paid["total_details"]["amount_discount"]) == (5910, 490)
    (charge,) = local.control.events("charge.succeeded")
    assert charge["data"]["object"]["amount"] == 5910


@pytest.mark.parametrize(
    ("code", "said"), [("SOMMER", "This code is not known"), ("SPRING25", "This code has run out")]
)
def test_a_code_that_does_not_count_is_told_beside_its_field(
    local: RunningSandbox, checkout: Create, code: str, said: str
) -> None:
    session = checkout(**SHIPPED, allow_promotion_codes=True)
    buyer = Buyer(str(session.url))
    assert buyer.send(**(BUYER | {"promotion_code": code, "apply": "1"})).status_code == 422
    assert said in buyer.page.text
    assert buyer.fields.wrong == {"promotion_code": "promotion_code-error"}
    assert local.control.session(session.id)["amount_total"] == 5400


def test_whoever_types_a_code_and_presses_enter_is_not_charged_without_it(
    local: RunningSandbox, checkout: Create
) -> None:
    session = checkout(**SHIPPED, allow_promotion_codes=True)
    buyer = Buyer(str(session.url))
    buyer.send(**(BUYER | {"promotion_code": "SUMMER10"}))
    assert local.control.session(session.id)["status"] == "open"
    assert buyer.send().status_code == 303
    assert local.control.session(session.id)["amount_total"] == 4910


def test_a_code_that_pays_for_everything_leaves_nothing_to_pay(local: RunningSandbox, checkout: Create) -> None:
    session = checkout(allow_promotion_codes=True)
    buyer = Buyer(str(session.url))
    buyer.send(promotion_code="FREE100", apply="1", email="kim@example.com", name="Kim")
    assert 'name="number"' not in buyer.page.text
    assert buyer.send().status_code == 303
    paid = local.control.session(session.id)
    assert (paid["payment_status"], paid["amount_total"]) == ("no_payment_required", 0)


def test_codes_are_taken_only_where_the_shop_allows_them(local: RunningSandbox, checkout: Create) -> None:
    session = checkout(**SHIPPED)
    buyer = Buyer(str(session.url))
    assert "Promotion code" not in buyer.page.text
    buyer.send(**(BUYER | {"promotion_code": "SUMMER10", "apply": "1"}))
    after = local.control.session(session.id)
    assert (after["amount_total"], after["discounts"]) == (5400, [])


def test_a_new_price_forgets_what_was_to_be_authenticated(local: RunningSandbox, checkout: Create) -> None:
    session = checkout(**SHIPPED, allow_promotion_codes=True)
    buyer = Buyer(str(session.url))
    buyer.send(**(BUYER | {"number": "4000002500003155"}))
    bank = Buyer(f"{buyer.url}/3ds")
    Buyer(buyer.url).send(promotion_code="SUMMER10", apply="1")
    bank.send(result="complete")
    assert local.control.session(session.id)["status"] == "open", "that answer was for another amount"


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=100), st.integers(0, 100))
def test_the_lines_shares_of_a_discount_add_up_to_it(amounts: list[int], percent: int) -> None:
    taken = shares(amounts, percent)
    assert sum(taken) == (sum(amounts) * percent + 50) // 100
    assert all(0 <= share <= amount for share, amount in zip(taken, amounts, strict=True))
