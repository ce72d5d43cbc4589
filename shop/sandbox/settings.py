"""What a local Stripe needs to know to run, checked once."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class SandboxSettings:
    """One local Stripe account.

    `webhook_url` may be empty: then no event is delivered until one is set. `retry_delays` are seconds between
    one failed delivery and the next; after the last of them the delivery is given up. `seed` 0 makes ids
    unguessable; any other value makes them the same on each run.
    """

    database: Path
    public_url: str
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    business_name: str = "Understory demo shop"
    seed: int = 0
    retry_delays: tuple[float, ...] = (1, 2, 4, 8, 16, 32, 60, 120)
    delivery_timeout: float = 20.0
    delivery_threads: int = 4
    hang_seconds: float = 30.0
    """How long a request hangs that was told to time out or to be answered slowly."""
    delay_seconds: float = 5.0
    """How late a delivery comes that was told to, by the sandbox's clock."""

    def __post_init__(self) -> None:
        for name, url in (("public_url", self.public_url), ("webhook_url", self.webhook_url)):
            check_address(name, url)
        check_secret(self.webhook_url, self.webhook_secret)


def check_address(name: str, url: str) -> None:
    """Raises ValueError for what is neither empty nor an address."""
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise ValueError(f"{name} must be an http or https address, not {url!r}")


def check_secret(url: str, secret: str) -> None:
    """Raises ValueError for an endpoint without one."""
    if url and not secret:
        raise ValueError("webhook_url without webhook_secret: set a secret such as whsec_local")


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
