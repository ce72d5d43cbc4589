"""Feeds and pages as publishers write them."""

from collections.abc import Sequence

SITE = "https://www.example.com"


def rss(*items: str, head: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'{head}<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Paper</title>'
        f"<link>{SITE}/</link><description>News</description>{''.join(items)}</channel></rss>"
    )


def item(link: str = f"{SITE}/story", title: str = "A story", more: str = "") -> str:
    return f"<item><title>{title}</title><link>{link}</link>{more}</item>"


def atom(*entries: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Paper</title>'
        f"<id>{SITE}/</id><updated>2018-06-10T00:00:00Z</updated>{''.join(entries)}</feed>"
    )


def entry(link: str = f"{SITE}/story", title: str = "<title>A story</title>", more: str = "") -> str:
    return f'<entry>{title}<id>{link}</id><link href="{link}"/><updated>2018-06-10T00:00:00Z</updated>{more}</entry>'


def sitemap(*urls: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
        ' xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
        f' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">{"".join(urls)}</urlset>'
    )


def listed(link: str = f"{SITE}/story", title: str = "A story", more: str = "") -> str:
    return (
        f"<url><loc>{link}</loc><image:image><image:title>A picture</image:title></image:image>"
        f"<news:news><news:title>{title}</news:title>{more}</news:news></url>"
    )


def sitemap_index(*sitemaps: str) -> str:
    return (
        '<?xml version="1.0"?><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        f"{''.join(sitemaps)}</sitemapindex>"
    )


def html(head: str, body: str = "") -> str:
    return f'<!doctype html><html><head><meta charset="utf-8">{head}</head><body>{body}</body></html>'


def metas(url: str, title: str = "A story", tags: Sequence[str] = ()) -> str:
    """What most sites say of a story in their pages' heads."""
    return "".join(
        [
            f'<link rel="canonical" href="{url}"><meta property="og:type" content="article">',
            f'<meta property="og:title" content="{title}">',
            *(f'<meta property="article:tag" content="{tag}">' for tag in tags),
        ]
    )
