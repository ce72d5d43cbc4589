"""What is pasted into a page to put merchandise there, in each form that some editor, newsletter or format takes."""

from dataclasses import dataclass
from datetime import date
from html import escape
from urllib.parse import urlencode

from shop.articles.placement import PlacementSigner
from shop.catalog.price_tag import PriceTags, tag_of
from shop.catalog.showcase import ProductView
from shop.config import Settings
from shop.money import format_money

# Pixels: what the frame needs on a phone, and between phone and desk (frame.css); what a letter's card measures.
FRAME_HEIGHT, MIDDLE_WIDTH, MIDDLE_HEIGHT = 404, 600, 364
CARD_WIDTH, CARD_HEIGHT = 600, 200
AMP_SANDBOX = (
    "allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """One form: its `kind` as the command names it, what it is for, and what is pasted."""

    kind: str
    purpose: str
    text: str


def snippets(
    settings: Settings,
    product: ProductView | None = None,
    *,
    story: str = "",
    headline: str = "",
    cta: str = "",
    day: date,
) -> tuple[Snippet, ...]:
    """Every form for `product`, or for whatever stands under `story`; with neither, the one that fits every page.

    `story` and `headline` come from outside: they are escaped, and whether the story is the publisher's is asked when the
    snippet is used. `day` is the one on which a letter with the card is sent: the price is that of now, signed for it.
    """
    return _Wanted(settings, product, story, headline, cta, day).forms()


@dataclass(frozen=True, slots=True)
class _Wanted:
    settings: Settings
    product: ProductView | None
    story: str
    headline: str
    cta: str
    day: date

    def forms(self) -> tuple[Snippet, ...]:
        made = []
        if self.product is None:
            made.append(
                Snippet("page", "script and element, by the page's address: once in the template", self._element())
            )
        else:
            made.append(Snippet("product", "script and element, by the product", self._element()))
        if self.product is not None or self.story:
            made.append(Snippet("iframe", "plain frame, for pages that take no script", self._iframe()))
        made.append(
            Snippet(
                "div", "for editors that strip unknown elements; the script is needed once on the page", self._div()
            )
        )
        if self.product is not None:
            made.append(Snippet("card", "link and picture, for newsletters and feeds", self._card(self.product)))
        if self.product is not None or self.story:
            made.append(Snippet("amp", "for AMP pages", self._amp()))
        made.append(Snippet("shortcode", "for a system of yours that knows the shortcode", self._shortcode()))
        return tuple(made)

    @property
    def _words(self) -> str:
        return self.cta or (f"Buy {self.product.title}" if self.product else "From the shop")

    def _said(self) -> dict[str, str]:
        """What the element says of itself, in the loader's words."""
        told = {"product": self.product.slug if self.product else "", "cta": self.cta}
        told |= {"story": self.story, "headline": self.headline}
        return {name: value for name, value in told.items() if value}

    def _link(self, **more: str) -> str:
        path = f"/products/{self.product.slug}" if self.product else "/"
        told = more or {name: value for name, value in (("story", self.story), ("title", self.headline)) if value}
        return f"{self.settings.shop_url}{path}" + (f"?{urlencode(told)}" if told and self.product else "")

    def _frame(self) -> str:
        told = self._said()
        if "headline" in told:
            told["title"] = told.pop("headline")
        return f"{self.settings.shop_url}/embed/frame?{urlencode(told)}"

    def _inside(self) -> str:
        return f'<a href="{escape(self._link())}">{escape(self._words)}</a>' if self.product else ""

    def _element(self) -> str:
        said = "".join(f' {name}="{escape(value)}"' for name, value in self._said().items())
        return (
            f'<script async src="{escape(self.settings.shop_url)}/embed.js"></script>\n'
            f"<shop-embed{said}>{self._inside()}</shop-embed>"
        )

    def _div(self) -> str:
        said = "".join(f' data-{name}="{escape(value)}"' for name, value in self._said().items())
        return f'<div class="shop-embed"{said}>{self._inside()}</div>'

    def _iframe(self) -> str:
        return (
            f'<iframe src="{escape(self._frame())}" title="{escape(self._words)}" width="100%" height="{FRAME_HEIGHT}"'
            ' loading="lazy" referrerpolicy="strict-origin"></iframe>'
        )

    def _amp(self) -> str:
        return (
            f'<amp-iframe width="{MIDDLE_WIDTH}" height="{MIDDLE_HEIGHT}" layout="responsive" resizable\n'
            f'  sandbox="{AMP_SANDBOX}"\n'
            f'  src="{escape(self._frame())}">\n'
            f'  <a overflow placeholder href="{escape(self._link())}">{escape(self._words)}</a>\n'
            "</amp-iframe>"
        )

    def _card(self, product: ProductView) -> str:
        settings = self.settings
        price = PriceTags(settings.secret_keys).sign(product, self.day)
        image = f"{settings.shop_url}/embed/card/{product.slug}.png?{urlencode({'price': price})}"
        signer = PlacementSigner(settings.secret_keys, settings.shop_publisher_hosts)
        token = signer.sign(self.story, self.headline, "email") if self.story else ""
        tag = tag_of(product)
        cost = ("from " if tag.is_lowest else "") + format_money(
            tag.price.minor, tag.price.currency, settings.shop_locale
        )
        alt = f"{product.title}, {cost}, {settings.shop_name}"
        href = self._link(placement=token) if token else f"{settings.shop_url}/products/{product.slug}"
        return (
            f'<a href="{escape(href)}"><img src="{escape(image)}" width="{CARD_WIDTH}" height="{CARD_HEIGHT}"'
            f' alt="{escape(alt)}" style="max-width: 100%; height: auto; border: 0"></a>'
        )

    def _shortcode(self) -> str:
        # A shortcode has no way to write a quote or a bracket inside of a value.
        safe = str.maketrans({'"': "'", "[": "(", "]": ")", "<": "(", ">": ")"})
        return "[merch" + "".join(f' {name}="{value.translate(safe)}"' for name, value in self._said().items()) + "]"
