"""Every setting of the shop, read once from the environment, checked once, and loud when wrong.

`Settings.load()` is called by the command line and by `create_app`'s callers; nothing else reads a setting from the environment.
docs/operating.md lists each variable; a test keeps the two in step.
"""

import re
import secrets
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shop import crashing
from shop.environment import (
    Country,
    Currency,
    Folder,
    ListensOn,
    LocaleName,
    Mailbox,
    Origin,
    Port,
    Secrets,
    Words,
    ZoneName,
    explain,
    from_here,
    is_database,
    split,
)
from shop.errors import ShopError

DEVELOPMENT_SECRET = "development-only-secret-never-used-in-production"  # noqa: S105  production refuses it

# Seconds that a cache which cannot be told to forget may keep what stands under a story.
LONGEST_UNPURGED = 10


class BadSettings(ShopError):
    """The environment does not describe a shop that can run. The message names each variable and what to put there."""

    code = "bad_settings"


class Settings(BaseSettings):
    """The shop's settings. Field names are the variables' names in lower case, with `shop_` where they carry it."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_file=None,
        env_ignore_empty=True,  # `SHOP_PORT=` in a file of settings is a line left open, not a port
        hide_input_in_errors=True,
    )

    # Who and where we are
    shop_env: Literal["development", "production"] = "development"
    shop_name: Annotated[str, Field(min_length=1, max_length=80)] = "Understory"
    shop_url: Origin = "http://127.0.0.1:8000"
    shop_currency: Currency = "sgd"
    shop_country: Country = "SG"
    shop_locale: LocaleName = "en_SG"
    shop_time_zone: ZoneName = "UTC"
    shop_publisher_hosts: Words = ()

    # Where things are kept
    shop_data: Folder = Path("var")
    shop_database_url: SecretStr = SecretStr("")
    shop_allow_sqlite: bool = False
    shop_queue_url: SecretStr = SecretStr("")
    shop_limits_url: SecretStr = SecretStr("memory://")

    # Secrets
    shop_secret_key: Secrets = ()
    stripe_secret_key: SecretStr = SecretStr("")
    stripe_webhook_secret: Secrets = ()
    stripe_api_base: str = ""

    # Mail
    shop_mail_url: SecretStr = SecretStr("")
    shop_mail_from: Mailbox = ""

    # The server
    shop_host: ListensOn = "127.0.0.1"
    shop_port: Port = 8000
    shop_workers: Annotated[int, Field(ge=1, le=64)] = 2
    shop_threads: Annotated[int, Field(ge=1, le=256)] = 8
    shop_proxies: Annotated[int, Field(ge=0, le=5)] = 0
    shop_log_format: Literal["text", "json"] = "text"
    shop_log_level: Literal["debug", "info", "warning", "error"] = "info"

    # Caches in front
    shop_cdn_seconds: Annotated[int, Field(ge=0, le=86400)] = 4
    shop_purge_url: str = ""
    shop_purge_method: Literal["PURGE", "POST"] = "PURGE"
    shop_purge_header: SecretStr = SecretStr("")

    # The demo's neighbours
    sandbox_port: Port = 8001
    newsroom_port: Port = 8002

    # Checkout
    shop_session_minutes: Annotated[int, Field(ge=35, le=1440)] = 45
    shop_cart_days: Annotated[int, Field(ge=1, le=365)] = 30
    shop_max_quantity: Annotated[int, Field(ge=1, le=999)] = 20

    @classmethod
    def load(cls, **overrides: Any) -> "Settings":
        """Settings from the environment, with `overrides` on top (tests and the demo pass some).

        Raises BadSettings with one line for each variable that is missing or malformed.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            raise BadSettings(explain(error, cls.model_fields)) from None

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        wrong: list[str] = []
        key = self.stripe_secret_key.get_secret_value()
        if not key:
            wrong.append(
                "STRIPE_SECRET_KEY: missing; put the secret key from Stripe's dashboard here (sk_test_... for tests)"
            )
        elif not re.match(r"(sk|rk)_(test|live)_\w+$", key):
            wrong.append("STRIPE_SECRET_KEY: not a secret key; it begins with sk_test_, sk_live_, rk_test_ or rk_live_")
        if not self.stripe_webhook_secret:
            wrong.append(
                "STRIPE_WEBHOOK_SECRET: missing; put the endpoint's signing secret (whsec_...) here, or two, separated by a comma"
            )
        elif len(self.stripe_webhook_secret) > 2:
            wrong.append("STRIPE_WEBHOOK_SECRET: at most two secrets, the new one and the one that is being rolled")
        elif any(not s.get_secret_value().startswith("whsec_") for s in self.stripe_webhook_secret):
            wrong.append("STRIPE_WEBHOOK_SECRET: not a signing secret; it begins with whsec_")
        if self.stripe_api_base:
            base = split(self.stripe_api_base)
            if base is None or base.scheme != "http" or base.hostname not in {"127.0.0.1", "localhost", "::1"}:
                wrong.append(
                    "STRIPE_API_BASE: only a local Stripe on this machine may stand in, such as http://127.0.0.1:8001;"
                    " remove it to use the real one"
                )
            elif self.livemode:
                wrong.append("STRIPE_API_BASE: a live key never goes to a local Stripe; remove one of the two")
        for host in self.shop_publisher_hosts:
            if not re.fullmatch(r"(\*\.)?[a-z0-9.-]+(:\d+)?", host):
                wrong.append(
                    "SHOP_PUBLISHER_HOSTS: write host names such as www.example.com or *.example.com, in lower case"
                )
                break
        if not is_database(self.database_url, "postgresql+psycopg"):
            wrong.append(
                "SHOP_DATABASE_URL: write sqlite:///path/to/shop.db or postgresql+psycopg://user:password@host/name"
            )
        if not is_database(self.queue_url, "postgresql") and not _is_redis(self.queue_url):
            wrong.append(
                "SHOP_QUEUE_URL: write sqlite:///path, postgresql://user:password@host/name or redis://host:6379/0"
            )
        limits = self.shop_limits_url.get_secret_value()
        if limits != "memory://" and not _is_redis(limits):
            wrong.append("SHOP_LIMITS_URL: write memory:// or redis://host:6379/1")
        mail = split(self.mail_url)
        if not self.mail_url.startswith("folder:/") and (mail is None or mail.scheme not in {"smtp", "smtps"}):
            wrong.append(
                "SHOP_MAIL_URL: write folder:/path, smtp://user:password@host:587 or smtps://user:password@host"
            )
        wrong += self._caches()
        if self.is_production:
            wrong += self._production()
        wrong += filter(None, [crashing.refusal(production=self.is_production)])
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    def _caches(self) -> list[str]:
        wrong: list[str] = []
        cache = split(self.shop_purge_url) if self.shop_purge_url else None
        if self.shop_purge_url and (cache is None or cache.scheme not in {"http", "https"} or not cache.hostname):
            wrong.append(
                "SHOP_PURGE_URL: write the address that your cache takes PURGE requests at, such as http://127.0.0.1:6081/"
            )
        if self.shop_cdn_seconds > LONGEST_UNPURGED and not self.shop_purge_url:
            wrong.append(
                f"SHOP_CDN_SECONDS: more than {LONGEST_UNPURGED} needs SHOP_PURGE_URL, or merchandise that was taken away from a"
                " story stays under it for as long"
            )
        if not re.fullmatch(r"([A-Za-z0-9-]+: ?[!-~]([ -~]*[!-~])?)?", self.shop_purge_header.get_secret_value()):
            wrong.append("SHOP_PURGE_HEADER: write a header with its value, such as Fastly-Key: abc123")
        return wrong

    def _production(self) -> list[str]:
        wrong: list[str] = []
        keys = [key.get_secret_value() for key in self.shop_secret_key]
        if not keys:
            wrong.append(
                f"SHOP_SECRET_KEY: missing; put a long random text here, for example {secrets.token_urlsafe(32)}"
            )
        elif any(len(key) < 32 or key == DEVELOPMENT_SECRET for key in keys):
            wrong.append("SHOP_SECRET_KEY: too short or the development one; use at least 32 random characters")
        if not self.shop_url.startswith("https://"):
            wrong.append("SHOP_URL: production runs over https only; write https://shop.example.com")
        if self.database_url.startswith("sqlite") and not self.shop_allow_sqlite:
            wrong.append(
                "SHOP_DATABASE_URL: production wants PostgreSQL (postgresql+psycopg://...);"
                " set SHOP_ALLOW_SQLITE=true if one small machine with SQLite is what you mean"
            )
        if self.stripe_api_base:
            wrong.append("STRIPE_API_BASE: the local Stripe never serves production; remove it")
        if not self.shop_mail_url.get_secret_value():
            wrong.append("SHOP_MAIL_URL: missing; receipts must reach people: smtp://user:password@host:587")
        if not self.shop_mail_from:
            wrong.append("SHOP_MAIL_FROM: missing; the address that receipts come from, such as shop@example.com")
        if not self.shop_publisher_hosts:
            wrong.append(
                "SHOP_PUBLISHER_HOSTS: missing; the hosts whose stories may carry the shop, such as www.example.com"
            )
        return wrong

    @property
    def is_production(self) -> bool:
        return self.shop_env == "production"

    @property
    def is_https(self) -> bool:
        return self.shop_url.startswith("https://")

    @property
    def livemode(self) -> bool:
        """Whether the Stripe key moves real money."""
        return self.stripe_secret_key.get_secret_value().startswith(("sk_live_", "rk_live_"))

    @cached_property
    def zone(self) -> ZoneInfo:
        """Whose days reports count in."""
        return ZoneInfo(self.shop_time_zone)

    @cached_property
    def database_url(self) -> str:
        return from_here(self.shop_database_url.get_secret_value() or f"sqlite:///{self.shop_data / 'shop.db'}")

    @cached_property
    def queue_url(self) -> str:
        return self.shop_queue_url.get_secret_value() or f"sqlite:///{(self.shop_data / 'queue.db').absolute()}"

    @cached_property
    def mail_url(self) -> str:
        return self.shop_mail_url.get_secret_value() or f"folder:{(self.shop_data / 'mail').absolute()}"

    @cached_property
    def media_folder(self) -> Path:
        return (self.shop_data / "media").absolute()

    @cached_property
    def secret_keys(self) -> tuple[str, ...]:
        """Signing keys, the newest first; older ones still verify what they signed."""
        return tuple(key.get_secret_value() for key in self.shop_secret_key) or (DEVELOPMENT_SECRET,)

    @cached_property
    def webhook_secrets(self) -> tuple[str, ...]:
        return tuple(secret.get_secret_value() for secret in self.stripe_webhook_secret)

    @property
    def mail_from(self) -> str:
        return self.shop_mail_from or f"shop@{urlsplit(self.shop_url).hostname}"


def _is_redis(url: str) -> bool:
    parts = split(url)
    return parts is not None and parts.scheme in {"redis", "rediss"}


def public_settings(settings: Settings) -> Mapping[str, str]:
    """The settings that may be logged at start; secrets appear only as set or not set."""
    shown: dict[str, str] = {}
    # Field by field: walking the object would also meet what was worked out from the secrets and kept beside them.
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        secret = isinstance(value, SecretStr) or (
            isinstance(value, tuple) and value and isinstance(value[0], SecretStr)
        )
        shown[name] = ("set" if value else "not set") if secret else str(value)
    return shown
