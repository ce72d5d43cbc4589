"""The whole demo as one command: prepares the data, starts the processes, says where everything is, stops them all."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from shop import logs
from shop.config import Settings
from shop.db import Database
from shop.demo.keys import DemoKeys, data_folder, kept
from shop.processes import CannotRun, Household, Part, Stopped, require_free_port, shop_command
from shop.stopping import stop_asked, stop_raises

HOST: Final = "127.0.0.1"
REAL_STRIPE: Final = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
TEST_CARD: Final = "4242 4242 4242 4242"
WATCHED: Final = (".py", ".html", ".css", ".js", ".svg", ".txt")


def run(reload: bool = False) -> None:
    """Run the demo until Ctrl-C. With `reload` its processes start anew whenever a file of the shop changes.

    Raises CannotRun and BadSettings with what to change. Sets the settings of its processes in this one's environment.
    """
    folder = data_folder()
    with kept(folder) as keys, stop_asked() as asked:
        real_stripe = _uses_real_stripe(os.environ)
        os.environ.update(_demo_environment(os.environ, folder, keys, real_stripe))
        settings = Settings.load()
        logs.set_up("warning")
        _require_ports(settings, real_stripe)
        try:
            with stop_raises(Stopped):
                _prepare(settings, keys)
            parts = _parts(settings, real_stripe)
            summary = _summary(settings, keys, real_stripe)
            if reload:
                _run_again_and_again(parts, asked, summary)
            else:
                with Household(parts, asked) as household:
                    household.start()
                    click.echo(summary)
                    household.watch()
        except Stopped:
            pass
        click.echo("\nStopped.")


def _uses_real_stripe(environment: Mapping[str, str]) -> bool:
    given = [name for name in REAL_STRIPE if environment.get(name)]
    if len(given) == 1:
        missing = next(name for name in REAL_STRIPE if name not in given)
        raise CannotRun(f"{given[0]} is set and {missing} is not: set both for the real Stripe, none for the local one")
    return bool(given)


def _demo_environment(
    environment: Mapping[str, str], folder: Path, keys: DemoKeys, real_stripe: bool
) -> dict[str, str]:
    """The settings of the demo, where they differ from those that the environment has already."""
    if environment.get("SHOP_ENV", "development") != "development":
        raise CannotRun("the demo is no production shop: unset SHOP_ENV, or run `shop serve` and `shop worker` instead")
    shop_port = environment.get("SHOP_PORT") or "8000"
    newsroom_port = environment.get("NEWSROOM_PORT") or "8002"
    sandbox_port = environment.get("SANDBOX_PORT") or "8001"
    chosen = {"SHOP_HOST": HOST, "SHOP_DATA": str(folder)}
    if not real_stripe:
        chosen["STRIPE_SECRET_KEY"] = keys.stripe_secret_key
        chosen["STRIPE_WEBHOOK_SECRET"] = keys.stripe_webhook_secret
        chosen["STRIPE_API_BASE"] = f"http://{HOST}:{sandbox_port}"
    wishes = {
        "SHOP_URL": f"http://{HOST}:{shop_port}",
        "SHOP_SECRET_KEY": keys.secret_key,
        "SHOP_NAME": "The Courier Shop",
        "SHOP_TIME_ZONE": "Asia/Singapore",
        # One reader at a time: a small machine is enough, and what the processes log does not bury the summary.
        "SHOP_WORKERS": "1",
        "SHOP_THREADS": "2",
        "SHOP_LOG_LEVEL": "warning",
        "SHOP_PUBLISHER_HOSTS": f"{HOST}:{newsroom_port} localhost:{newsroom_port}",
    }
    return chosen | {name: value for name, value in wishes.items() if not environment.get(name)}


def _require_ports(settings: Settings, real_stripe: bool) -> None:
    ports = {"SHOP_PORT": settings.shop_port, "NEWSROOM_PORT": settings.newsroom_port}
    if not real_stripe:
        ports["SANDBOX_PORT"] = settings.sandbox_port
    taken: dict[int, str] = {}
    for name, port in ports.items():
        if port in taken:
            raise CannotRun(f"{taken[port]} and {name} are both {port}: set one of them to another port")
        taken[port] = name
        require_free_port(HOST, port, name)


def _prepare(settings: Settings, keys: DemoKeys) -> None:
    """Tables, catalogue, stories and staff login: made at the first start, left alone later."""
    from sqlalchemy import exists, select  # noqa: PLC0415  after the ports have been looked at, for a quick refusal

    from shop.catalog.models import Product  # noqa: PLC0415
    from shop.demo.seed import seed  # noqa: PLC0415
    from shop.demo.seed_stories import seed_stories  # noqa: PLC0415
    from shop.schema import is_current, migrate  # noqa: PLC0415
    from shop.staff.accounts import create_admin  # noqa: PLC0415
    from shop.staff.models import StaffUser  # noqa: PLC0415

    database = Database.connect(settings.database_url)
    try:
        if not is_current(database):
            migrate(database)
        with database.reading() as session:
            stocked = session.scalar(select(exists().where(Product.id > 0)))
            staffed = session.scalar(select(exists().where(StaffUser.id > 0)))
        if not stocked:
            click.echo("Preparing the catalogue, once ...")
            seed(database, settings)
        seed_stories(database, settings)
        if not staffed:
            create_admin(database, keys.staff_email, keys.staff_password)
    finally:
        database.close()


def _parts(settings: Settings, real_stripe: bool) -> list[Part]:
    parts = [
        Part("storefront", shop_command("serve"), answers_at=f"http://{HOST}:{settings.shop_port}/readyz"),
        Part("worker", shop_command("worker")),
        Part("newsroom", shop_command("newsroom"), answers_at=f"http://{HOST}:{settings.newsroom_port}/healthz"),
    ]
    if not real_stripe:
        parts.insert(
            0,
            Part("local Stripe", shop_command("sandbox"), answers_at=f"http://{HOST}:{settings.sandbox_port}/healthz"),
        )
    return parts


def _run_again_and_again(parts: list[Part], asked: threading.Event, summary: str) -> None:
    with _changes(asked) as changed:
        while not asked.is_set():
            changed.clear()
            with Household(parts, asked, grace=3) as household:
                try:
                    household.start()
                    click.echo(summary)
                    summary = "Started anew."
                except CannotRun as error:
                    # A half-written file must not end the session: the next save is the repair.
                    click.echo(f"{error}. Waiting for a change.", err=True)
                while not asked.is_set() and not changed.wait(0.2):
                    pass


@contextmanager
def _changes(asked: threading.Event) -> Iterator[threading.Event]:
    """An event that is set when a file that the demo runs from has changed."""
    from watchfiles import watch  # noqa: PLC0415

    from shop.schema import resource_folder  # noqa: PLC0415

    changed, over = threading.Event(), threading.Event()
    folders = (Path(__file__).parent.parent, resource_folder("templates"), resource_folder("migrations"))

    def look() -> None:
        for batch in watch(*folders, stop_event=over, watch_filter=lambda _, path: path.endswith(WATCHED)):
            if batch:
                changed.set()

    looking = threading.Thread(target=look, name="changes", daemon=True)
    looking.start()
    try:
        yield changed
    finally:
        over.set()
        looking.join(timeout=5)


def _summary(settings: Settings, keys: DemoKeys, real_stripe: bool) -> str:
    from shop.demo.stories import STORIES  # noqa: PLC0415

    newsroom = f"http://{HOST}:{settings.newsroom_port}"
    story = next((story for story in STORIES if story.merchandise), STORIES[0])
    rows = [
        ("The story", newsroom + story.path),
        ("Without script", f"{newsroom}/plain{story.path}"),
        ("The shop", settings.shop_url),
        ("Back office", f"{settings.shop_url}/admin"),
        ("  log in as", f"{keys.staff_email}  password {keys.staff_password}"),
        ("Sent mail", f"{newsroom}/mail"),
    ]
    if real_stripe:
        kind = "a LIVE key: cards are really charged" if settings.livemode else "a test key"
        rows.append(("Stripe", f"the real one, with {kind}; the local Stripe is not started"))
        rows.append(("  webhooks", f"stripe listen --forward-to {HOST}:{settings.shop_port}/webhooks/stripe"))
    else:
        rows.append(("Local Stripe", f"http://{HOST}:{settings.sandbox_port}  (no real money)"))
    if not settings.livemode:
        rows.append(("Test card", f"{TEST_CARD}  any later date, any CVC"))
    lines = [f"  {name:<16}{value}" for name, value in rows]
    return "\n".join(["", "Understory is running.", "", *lines, "", "Ctrl-C stops everything.", ""])
