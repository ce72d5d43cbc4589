"""The local Stripe's Flask app: wiring, and nothing else."""

from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask

from shop.sandbox import api, console, door, page, step
from shop.sandbox.account import Account
from shop.sandbox.settings import SandboxSettings

_HERE = Path(__file__).resolve().parent


def create_sandbox(settings: SandboxSettings, account: Account | None = None) -> Flask:
    """The app; its account is at `app.extensions["sandbox"]`, and nothing is delivered until that is started."""
    account = account or Account(settings)
    app = Flask(
        "shop.sandbox",
        root_path=str(_HERE),
        static_folder=str(_HERE / "static"),
        static_url_path="/static",
        template_folder=str(_templates()),
    )
    # A page in the buyer's browser must not reach the local Stripe through a name of its own (DNS rebinding).
    hosts = {"127.0.0.1", "localhost", "[::1]", urlsplit(settings.public_url).hostname or ""}
    app.config.update(TRUSTED_HOSTS=sorted(hosts - {""}), MAX_CONTENT_LENGTH=1_000_000)
    app.extensions["sandbox"] = account
    api.install(app, account)
    app.register_blueprint(page.bp)
    app.register_blueprint(step.bp)
    app.register_blueprint(door.bp)
    app.register_blueprint(console.bp)
    return app


def _templates() -> Path:
    """Beside the package in a checkout, inside it in a wheel."""
    for root in (_HERE.parents[1] / "templates", _HERE.parent / "templates"):
        if (root / "sandbox").is_dir():
            return root
    raise FileNotFoundError("the templates of the local Stripe are not installed")
