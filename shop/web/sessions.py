"""The browser session in a signed cookie: Flask's own, but what signs it is made once and not twice for each request."""

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer


class SignedCookie(SecureCookieSessionInterface):
    """For one app: its keys do not change while it runs."""

    def __init__(self, app: Flask) -> None:
        self._signer = super().get_signing_serializer(app)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        return self._signer


def keep(app: Flask) -> None:
    """Let `app` keep its sessions so."""
    app.session_interface = SignedCookie(app)
