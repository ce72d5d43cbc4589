"""Frame documents: rendered once for each state of a product, then only three values are put in for each reader."""

from collections.abc import Mapping

from flask import current_app, render_template
from markupsafe import escape

from shop.articles.addresses import URL_LIMIT
from shop.articles.placement import TITLE_LIMIT, PlacementSigner
from shop.catalog.showcase import PictureView, ProductView, VariantView
from shop.config import Settings
from shop.web.embed.files import sheet_url
from shop.web.kept_pages import KeptPages
from shop.web.offer import (
    Countries,
    chosen_country,
    gone_values,
    new_press,
    one_line,
    priced,
    prices_shown,
    shown_values,
)

CTA_LIMIT = 120
# More choices than this are a list rather than buttons: a card must stay a card.
MOST_BUTTONS = 6
# The style sheet has a rule for each picture that a choice can bring up.
MOST_SHOTS = 6


def shots(product: ProductView) -> tuple[PictureView, ...]:
    """The first picture, and those that show a choice."""
    return tuple(p for n, p in enumerate(product.pictures) if n == 0 or p.value_id)[:MOST_SHOTS]


def shot_of(product: ProductView, variant: VariantView) -> tuple[PictureView, ...]:
    """The picture of one variant: of a value it has, or the first."""
    fitting = [picture for picture in product.pictures if picture.value_id in variant.choice_ids]
    return tuple((fitting or list(product.pictures))[:1])


class Frames:
    """What one app keeps for its frames. Safe between threads."""

    def __init__(self, settings: Settings, signer: PlacementSigner) -> None:
        self._settings = settings
        self._kept = KeptPages("cta", "placement", "press")
        self._signer = signer

    def placement(self, story: str, title: str) -> str:
        """A placement token for a card under `story`; empty for what is no address of a story of the publisher's."""
        if not story or len(story) > URL_LIMIT:
            return ""
        return self._signer.sign(story, one_line(title, TITLE_LIMIT), "card")

    def offer(self, product: ProductView, countries: Countries, *, cta: str, placement: str) -> str:
        """The document that offers `product`, with a fresh press."""

        def made(marks: Mapping[str, str]) -> str:
            return render_template("embed/frame.html", **self.words(product, countries), **marks)

        return self._kept.page(
            (product.id, product.version, product.stock_key, countries),
            made,
            {"cta": str(escape(cta)), "placement": str(escape(placement)), "press": new_press()},
        )

    def words(self, product: ProductView, countries: Countries) -> dict[str, object]:
        """What every template that offers a product needs, with nothing chosen but what the picture shows."""
        return {
            "product": product,
            "countries": countries,
            "country": chosen_country(countries, self._settings.shop_country),
            "prices": priced(product, self._settings.shop_locale),
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
        }


def frames() -> Frames:
    """The frames of the app that serves this request."""
    kept = current_app.extensions["understory.embed"]
    assert isinstance(kept, Frames)
    return kept
