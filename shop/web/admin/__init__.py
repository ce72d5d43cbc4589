"""The door of admin."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this door's pages to `app`."""
