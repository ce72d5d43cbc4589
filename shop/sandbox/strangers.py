"""Pages of other origins: a browser may let them speak to this machine, and neither API nor controls listen to them."""

from flask import Request


def sent_by_another_page(request: Request) -> bool:
    """Whether a browser says that it sent this for a page of another origin. Programs say nothing, and may call."""
    # "none" is what a person typed or clicked outside of any page.
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("Origin")
    return origin is not None and origin != request.host_url.rstrip("/")
