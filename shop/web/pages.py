"""What every template may use: money, dates, pictures, asset addresses; and the pictures' own address."""

from datetime import datetime

from babel.dates import format_date, format_datetime
from flask import Flask, Response, abort, send_from_directory
from markupsafe import Markup

from shop.catalog.pictures import FORMATS, WIDTHS, widths_of
from shop.config import Settings
from shop.money import Money, decimal_text, format_money
from shop.web.assets import asset_url
from shop.web.languages import gettext, page_locale, page_tag, spoken

SIZES = frozenset(map(str, WIDTHS))
MIME = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}


def media_url(key: str, width: int, form: str = "jpg") -> str:
    """The address of a picture in one of its widths (see `shop.catalog.pictures.WIDTHS`) and formats."""
    return f"/media/{key}-{width}.{form}"


def srcset(key: str, original_width: int, form: str) -> str:
    """The `srcset` of a picture in one format."""
    return ", ".join(f"{media_url(key, width, form)} {width}w" for width in widths_of(original_width))


def register(app: Flask, settings: Settings) -> None:
    """Add the filters, globals and the media address to `app`."""
    locale = settings.shop_locale

    def money(amount: Money | int, currency: str | None = None) -> str:
        if isinstance(amount, Money):
            return format_money(amount.minor, amount.currency, page_locale())
        return format_money(amount, currency or settings.shop_currency, page_locale())

    def ngettext(singular: str, plural: str, number: int) -> str:
        return gettext(singular if number == 1 else plural)

    def day(moment: datetime) -> str:
        return format_date(moment, format="long", locale=locale)

    def moment_text(moment: datetime | None) -> Markup:
        if moment is None:
            return Markup("")
        shown = format_datetime(moment, format="medium", locale=locale)
        return Markup('<time datetime="{}">{} UTC</time>').format(moment.isoformat(timespec="seconds"), shown)

    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.filters.update(money=money, day=day, moment=moment_text, decimal=decimal_text)
    app.jinja_env.globals.update(
        asset=asset_url,
        page_tag=page_tag,
        spoken=spoken,
        media_url=media_url,
        srcset=srcset,
        widths_of=widths_of,
        picture_formats=("avif", "webp"),
        mime=MIME,
    )
    app.jinja_env.globals["shop"] = {
        "name": settings.shop_name,
        "url": settings.shop_url,
        "currency": settings.shop_currency,
        "locale": locale.replace("_", "-"),
        "test_mode": not settings.livemode,
        "local_stripe": bool(settings.stripe_api_base),
    }

    @app.get("/media/<name>")
    def media(name: str) -> Response:
        stem, _, extension = name.rpartition(".")
        key, _, width = stem.rpartition("-")
        if extension not in FORMATS or not key.isalnum() or width not in SIZES:
            abort(404)
        answer = send_from_directory(settings.media_folder, name, mimetype=MIME[extension], conditional=True)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return answer
