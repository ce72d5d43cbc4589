"""The door of Stripe."""

from flask import Flask


def register(app: Flask) -> None:
    """Add the address that Stripe posts to."""
