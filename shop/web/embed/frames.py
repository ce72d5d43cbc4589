"""Frame documents: rendered once for each state of what they show, then only a few values are put in for each story."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from flask import current_app, render_template
from markupsafe import escape

from shop.catalog.showcase import PictureView, ProductView, VariantView
from shop.catalog.standing import Standing
from shop.config import Settings
from shop.web.embed.asked import CTA_LIMIT
from shop.web.embed.files import sheet_url
from shop.web.kept_pages import KeptPages
from shop.web.languages import page_locale
from shop.web.offer import (
    Countries,
    chosen_country,
    countries_in,
    gone_values,
    priced,
    prices_shown,
    shown_values,
)

__all__ = ["CTA_LIMIT", "Frames", "Told", "frames", "shot_of", "shots"]

# More choices than this are a list rather than buttons: a card must stay a card.
MOST_BUTTONS = 6
# The style sheet has a rule for each picture that a choice can bring up.
MOST_SHOTS = 6
# What stands in a call to action before the product that follows it, and not on a button.
LEADING = " :\uff1a"  # the wide colon of Chinese


def shots(product: ProductView) -> tuple[PictureView, ...]:
    """The first picture, and those that show a choice."""
    return tuple(p for n, p in enumerate(product.pictures) if n == 0 or p.value_id)[:MOST_SHOTS]


def shot_of(product: ProductView, variant: VariantView) -> tuple[PictureView, ...]:
    """The picture of one variant: of a value it has, or the first."""
    fitting = [picture for picture in product.pictures if picture.value_id in variant.choice_ids]
    return tuple((fitting or list(product.pictures))[:1])


@dataclass(frozen=True, slots=True)
class Told:
    """What a frame is told of the place that it stands in: a call to action, and the placement token."""

    cta: str = ""
    placement: str = ""

    def slots(self) -> dict[str, str]:
        """The values by which frames of one state differ, as HTML."""
        act = self.cta.rstrip(LEADING)
        return {
            "cta": str(escape(self.cta)),
            "act": str(escape(act)),
            "asks": quote(self.cta, safe=""),
            "placement": str(escape(self.placement)),
        }


class Frames:
    """What one app keeps for its frames. Safe between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = KeptPages("cta", "act", "asks", "placement")

    def page(self, layout: str, shown: Sequence[Standing], countries: Countries, told: Told) -> str:
        """The document that shows products (one, but for a shelf) as they stand, the same for every reader."""

        def made(marks: Mapping[str, str]) -> str:
            if layout == "card":
                return render_template("embed/frame.html", **self.words(shown[0], countries), **marks)
            offered = [(standing, standing.product) for standing in shown]
            return render_template(f"embed/{layout}.html", offered=offered, sheet=sheet_url(), has_cta=has_cta, **marks)

        has_cta = bool(told.cta)
        state = tuple(
            (s.state, s.asked, s.product.id, s.product.version, s.product.stock_key) for s in shown if s.product
        )
        return self._kept.page((layout, page_locale(), has_cta, state, countries), made, told.slots())

    def words(self, standing: Standing, countries: Countries) -> dict[str, object]:
        """What every template that offers a product needs, with nothing chosen but what the picture shows."""
        product = standing.product
        assert product is not None
        named = countries_in(countries, page_locale())
        return {
            "product": product,
            "state": standing.state,
            "asked": standing.asked,
            "countries": named,
            "country": chosen_country(named, self._settings.shop_country),
            "prices": priced(product, page_locale()),
            "shown_prices": prices_shown(product),
            "gone": gone_values(product),
            "shots": shots(product),
            "chosen": shown_values(product),
            "most_buttons": MOST_BUTTONS,
            "limit": self._settings.shop_max_quantity,
            "sheet": sheet_url(),
            "quantity": "1",
            "errors": {},
            "handle": "",
            "press": "",
            "email": "",
        }


def frames() -> Frames:
    """The frames of the app that serves this request."""
    kept = current_app.extensions["understory.embed"]
    assert isinstance(kept, Frames)
    return kept
