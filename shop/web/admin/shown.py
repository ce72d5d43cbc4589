"""How the back office writes moments, stories and countries: short, because its pages are lists."""

from datetime import datetime
from urllib.parse import unquote, urlsplit

from babel import Locale
from babel.dates import format_datetime
from markupsafe import Markup

from shop.web.admin.gate import bp
from shop.web.house import house


@bp.app_template_filter()
def minute(moment: datetime | None) -> Markup:
    """A moment to the minute, in UTC as everything in the shop; nothing for None."""
    if moment is None:
        return Markup("")
    shown = format_datetime(moment, format="d MMM y, HH:mm", locale=house().settings.shop_locale)
    return Markup('<time datetime="{}">{} UTC</time>').format(moment.isoformat(timespec="seconds"), shown)


@bp.app_template_filter()
def story_name(title_or_address: str) -> str:
    """A story's title; where only its address is known, the end of that, which publishers make of the title."""
    if not title_or_address.startswith(("http://", "https://")):
        return title_or_address
    parts = urlsplit(title_or_address)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc


@bp.app_template_filter()
def country_name(code: str) -> str:
    """The country's name in the shop's language; its code if it has none."""
    return str(Locale.parse(house().settings.shop_locale).territories.get(code, code))
