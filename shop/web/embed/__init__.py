"""The door of embed."""

from flask import Flask


def register(app: Flask) -> None:
    """Add this door's pages to `app`."""
