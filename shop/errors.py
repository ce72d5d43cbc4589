"""The named ways in which the shop says no.

Every rule raises one of these; `shop.web.errors` turns them into answers in one place. A class carries what a page
needs in order to say what happened, a stable `code` for APIs, and the HTTP status that fits, as a plain number so that
rules stay free of HTTP libraries. Sentences that readers are told are marked for the catalogues (`gettext_noop`).
"""

from collections.abc import Callable

from shop.languages import gettext_noop

PRODUCT_GONE = gettext_noop("This product does not exist, or it is no longer here.")


class ShopError(Exception):
    """Base of every expected refusal. `str(error)` is a sentence that may be shown to the person who caused it."""

    code = "shop_error"
    status = 400

    def __init__(self, message: str = "", **values: object) -> None:
        super().__init__(message % values if values else message)
        self._message = message
        self._values = values

    def said(self, gettext: Callable[[str], str]) -> str:
        """The sentence in the language of `gettext`; in English where nobody translated it."""
        message = gettext(self._message) if self._message else ""
        return message % self._values if self._values else message


class NotFound(ShopError):
    """A product, variant, order or page that does not exist, or that this visitor may not see."""

    code = "not_found"
    status = 404

    def __init__(self, what: str) -> None:
        super().__init__(PRODUCT_GONE if what == "product" else f"This {what} does not exist, or it is no longer here.")
        self.what = what


class BadQuantity(ShopError):
    """A quantity that is not a whole number within what one line may hold."""

    code = "bad_quantity"
    status = 422

    def __init__(self, limit: int) -> None:
        super().__init__(gettext_noop("Choose a quantity between 1 and %(limit)s."), limit=limit)
        self.limit = limit


class OutOfStock(ShopError):
    """Fewer pieces are left than are wanted.

    `title` names the product and variant; `wanted` and `left` are pieces; `left` is never negative.
    """

    code = "out_of_stock"
    status = 409

    def __init__(self, variant_id: int, title: str, wanted: int, left: int) -> None:
        if left <= 0:
            super().__init__(gettext_noop("%(title)s is sold out."), title=title)
        elif left == 1:
            super().__init__(gettext_noop("Only 1 of %(title)s is left."), title=title)
        else:
            super().__init__(gettext_noop("Only %(left)s of %(title)s are left."), left=left, title=title)
        self.variant_id = variant_id
        self.title = title
        self.wanted = wanted
        self.left = max(left, 0)


class BadAddress(ShopError):
    """What was written as an e-mail address is none that mail could go to."""

    code = "bad_address"
    status = 422

    def __init__(self) -> None:
        super().__init__(gettext_noop("Write an e-mail address such as name@example.com."))


class NoLongerSold(ShopError):
    """Merchandise was taken away from the story that it stood under, or the product from sale.

    `stopped` says which: "story" or "product".
    """

    code = "no_longer_sold"
    status = 409

    def __init__(self, title: str, stopped: str) -> None:
        where = " under this story" if stopped == "story" else ""
        super().__init__(f"{title} is no longer sold{where}. Nothing of it can be paid for now.")
        self.title = title
        self.stopped = stopped


class CartEmpty(ShopError):
    """A checkout was asked for a cart that holds nothing that can be bought."""

    code = "cart_empty"
    status = 409

    def __init__(self) -> None:
        super().__init__(gettext_noop("Your cart is empty."))


class CartFull(ShopError):
    """A cart may hold only so many lines, because Stripe takes at most 100 of them in a session."""

    code = "cart_full"
    status = 409

    def __init__(self, limit: int) -> None:
        super().__init__(
            gettext_noop("A cart holds at most %(limit)s different items. Check out first, or remove some."),
            limit=limit,
        )
        self.limit = limit


class PriceChanged(ShopError):
    """A price in the cart differs from the one that the reader was last shown; the cart says which before paying."""

    code = "price_changed"
    status = 409

    def __init__(self) -> None:
        super().__init__(gettext_noop("A price in your cart has changed. Please look at it again before you pay."))


class CannotShipThere(ShopError):
    """No shipping rate covers the country that the buyer chose."""

    code = "cannot_ship_there"
    status = 422

    def __init__(self, country: str) -> None:
        super().__init__(gettext_noop("We cannot ship to this country yet."))
        self.country = country


class PaymentTooSmall(ShopError):
    """The total is below what Stripe can charge in this currency."""

    code = "payment_too_small"
    status = 422

    def __init__(self) -> None:
        super().__init__(gettext_noop("This amount is too small to be paid by card."))


class PaymentTooLarge(ShopError):
    """The total is above what one order can hold."""

    code = "payment_too_large"
    status = 422

    def __init__(self) -> None:
        super().__init__(gettext_noop("This is more than one order can hold. Please buy it in several."))


class AlreadyPaid(ShopError):
    """The cart has been paid for: `access_token` leads to the order's page."""

    code = "already_paid"
    status = 409

    def __init__(self, access_token: str) -> None:
        super().__init__(gettext_noop("This cart has already been paid for."))
        self.access_token = access_token


class PaymentUnavailable(ShopError):
    """Stripe did not answer in time or failed; nothing was charged and the same checkout may be tried again."""

    code = "payment_unavailable"
    status = 503

    def __init__(self) -> None:
        super().__init__(
            gettext_noop("The payment page could not be reached. Nothing was charged; please try again in a moment.")
        )


class PaymentRefused(ShopError):
    """Stripe refused the request for good (not a card decline): a fault of ours or of the account's set-up.

    `reason` is for logs and staff, never for the buyer. `of_key`: the secret key was refused before the request was read,
    which says nothing about what an earlier try of the same request has made.
    """

    code = "payment_refused"
    status = 502

    def __init__(self, reason: str, *, of_key: bool = False) -> None:
        super().__init__(
            gettext_noop("The payment page could not be opened. Nothing was charged; we have been told about it.")
        )
        self.reason = reason
        self.of_key = of_key


class BadSignature(ShopError):
    """A webhook that is not Stripe's: forged, stale, malformed or not text."""

    code = "bad_signature"
    status = 400

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not accepted: {reason}.")
        self.reason = reason


class InvalidChange(ShopError):
    """A change by staff that a rule forbids; `field` names the form's field that the message belongs to."""

    code = "invalid_change"
    status = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class StaleEdit(ShopError):
    """Someone else changed the record since it was read."""

    code = "stale_edit"
    status = 409

    def __init__(self) -> None:
        super().__init__("Somebody else has changed this since you opened it. Nothing of yours was saved yet.")


class BadImage(ShopError):
    """An upload that is not a picture the shop can use. The message says why."""

    code = "bad_image"
    status = 422


class RunningAlready(ShopError):
    """The comparison with Stripe is under way in another process, and one at a time is enough."""

    code = "running_already"
    status = 409

    def __init__(self) -> None:
        super().__init__("A comparison with Stripe is under way already. It is shown in the back office.")
