"""The door of storefront."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this door's pages to `app`."""
