"""A machine for each database, with a local Stripe and a mail server in this process."""

import shutil
from collections.abc import Iterator

import pytest

from shop.db import Database
from shop.sandbox.server import running as running_sandbox
from shop.schema import migrate
from tests.builders import shipping_to
from tests.kill.machine import Machine
from tests.support import postgres
from tests.support.commands import KEYS, free_ports
from tests.support.letters import a_mail_server

# No delivery is tried again by itself: what was cut off waits until Stripe is told to deliver.
NEVER = (3600.0,) * 8


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "shop.db")
        database = Database.connect(f"sqlite:///{folder / 'shop.db'}")
    else:
        name = f"kill_{request.getfixturevalue('worker_id')}"
        database = Database.connect(postgres.fresh_database(request.getfixturevalue("postgres_server"), name))
        migrate(database)
    with running_sandbox(retry_delays=NEVER) as stripe, a_mail_server() as mail:
        with database.transaction() as session:
            shipping_to(session, "SG")
        url = f"http://127.0.0.1:{(port := free_ports(1)[0])}"
        settings = KEYS | {
            "SHOP_DATA": folder / "var",
            "SHOP_DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "SHOP_PORT": port,
            "SHOP_URL": url,
            "SHOP_WORKERS": 1,
            "STRIPE_API_BASE": stripe.url,
            "SHOP_MAIL_URL": mail.url,
        }
        logs = folder / "logs"
        logs.mkdir()
        yield Machine(database, stripe.control, mail, settings, logs, url)
    database.close()
