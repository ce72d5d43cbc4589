"""The `shop` command. Each command is a few lines that call what does the work; `shop --help` lists them."""

import os
import sys
from pathlib import Path

import click

from shop import __version__
from shop.insight_commands import COMMANDS as INSIGHT_COMMANDS
from shop.money_commands import COMMANDS as MONEY_COMMANDS
from shop.prompt import InOrder, Shop, load_settings, open_database, require_queue, said_in_a_line
from shop.sandbox_commands import COMMANDS as SANDBOX_COMMANDS
from shop.story_commands import COMMANDS as STORY_COMMANDS


@click.group(cls=Shop, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="Understory")
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read settings from this file too; what the environment sets wins.",
)
def main(env_file: Path | None) -> None:
    """Understory, the shop under the story.

    Settings come from the environment; docs/operating.md lists them.
    """
    # Database, mail and keys are for the shop's own user alone; pictures reach readers through the shop.
    os.umask(0o077)
    if env_file is not None:
        from dotenv import dotenv_values

        for name, value in dotenv_values(env_file).items():
            os.environ.setdefault(name, value or "")


@main.command()
def demo() -> None:
    """Run a whole demo: shop, local Stripe, worker and a newsroom."""
    from shop.demo.running import run

    with said_in_a_line():
        run()


@main.command()
def dev() -> None:
    """The demo, started again whenever a file of the shop changes."""
    from shop.demo.running import run

    with said_in_a_line():
        run(reload=True)


@main.command("demo-reset")
def demo_reset() -> None:
    """Empty the demo's data folder."""
    from shop.demo.keys import data_folder, forget

    folder = data_folder()
    click.echo(f"{folder} is empty now." if forget(folder) else f"{folder} holds no demo.")


@main.command()
@click.option("--with-worker", is_flag=True, help="Run the queue's worker beside it.")
def serve(with_worker: bool) -> None:
    """Serve the shop."""
    settings = load_settings()
    from shop import serving

    with open_database(settings):
        pass  # closed again before the server makes its workers: connections do not survive that
    if with_worker:
        serving.serve_with_worker(settings)
    else:
        serving.serve(settings)


@main.command()
def worker() -> None:
    """Work off the queue: mail, sweeping, and whatever else is not done while a reader waits."""
    settings = load_settings()
    from shop.processes import tell_ready
    from shop.tasks import run_worker

    with open_database(settings):
        require_queue(settings)
    run_worker(settings, ready=tell_ready)


@main.command()
def migrate() -> None:
    """Bring the database's tables to this release."""
    from shop.schema import migrate

    with open_database(load_settings(), migrated=False) as database:
        migrate(database)
    click.echo("The database is up to date.")


@main.command("create-admin")
@click.argument("email")
def create_admin(email: str) -> None:
    """Make a back office account for EMAIL with the role of owner.

    The password is asked for, or taken from SHOP_ADMIN_PASSWORD.
    """
    settings = load_settings()
    from shop.staff.accounts import checked_address, create_admin

    email = checked_address(email)
    with open_database(settings) as database:
        password = os.environ.get("SHOP_ADMIN_PASSWORD", "")
        if not password and not sys.stdin.isatty():
            raise click.UsageError("Nobody is there to be asked for the password: set SHOP_ADMIN_PASSWORD.")
        create_admin(database, email, password or click.prompt("Password", hide_input=True, confirmation_prompt=True))
    click.echo(f"{email} may log in at {settings.shop_url}/admin.")


@main.command()
def seed() -> None:
    """Fill the catalogue with the demo's products. What is there already stays as it is."""
    settings = load_settings()
    from shop.demo.seed import seed

    with open_database(settings) as database:
        seeded = seed(database, settings)
    click.echo(f"{seeded.products} products and {seeded.zones} shipping zones added.")


@main.command()
@click.argument("product", required=False)
@click.option("--story", default="", metavar="URL", help="The story's address, where the page does not say it itself.")
@click.option("--headline", default="", help="The story's headline.")
@click.option("--cta", default="", help="The call to action.")
@click.option("--kind", help="Only this form: page, product, iframe, div, card, amp or shortcode.")
def snippet(product: str | None, story: str, headline: str, cta: str, kind: str | None) -> None:
    """Print what is pasted into a page, in each form, for PRODUCT (its address) or for a story."""
    settings = load_settings()
    from shop.articles.addresses import canonical
    from shop.articles.snippets import snippets
    from shop.catalog.showcase import Showcase
    from shop.db import now
    from shop.errors import NotFound

    if story and canonical(story) is None:
        raise click.BadParameter(f"{story} is no address of a story.", param_hint="--story")
    view = None
    if product:
        with open_database(settings) as database, database.reading() as session:
            view = Showcase().product(session, product)
        if view is None:
            raise NotFound("product")
    made = snippets(settings, view, story=story, headline=headline, cta=cta, day=now().date())
    chosen = [form for form in made if kind in {None, form.kind}]
    if not chosen:
        raise click.BadParameter(f"Here there are {', '.join(form.kind for form in made)}.", param_hint="--kind")
    if kind:
        click.echo(chosen[0].text)
    else:
        click.echo("\n\n".join(f"{form.kind}: {form.purpose}\n\n{form.text}" for form in chosen))


for each in (*MONEY_COMMANDS, *STORY_COMMANDS, *INSIGHT_COMMANDS):
    main.add_command(each)


@main.group(cls=InOrder, invoke_without_command=True)
@click.pass_context
def sandbox(context: click.Context) -> None:
    """Run the local Stripe, or tell one that runs what to do.

    It listens on this machine only and moves no money.
    """
    if context.invoked_subcommand is None:
        _serve_sandbox()


for told in SANDBOX_COMMANDS:
    sandbox.add_command(told)


def _serve_sandbox() -> None:
    settings = load_settings()
    from shop.processes import CannotRun, require_free_port
    from shop.sandbox import SandboxSettings
    from shop.sandbox.server import serve

    if settings.is_production or settings.livemode:
        raise CannotRun("the local Stripe serves development only: SHOP_ENV=production and live keys are refused")
    require_free_port("127.0.0.1", settings.sandbox_port, "SANDBOX_PORT")
    described = SandboxSettings(
        database=settings.shop_data / "sandbox.db",
        public_url=f"http://127.0.0.1:{settings.sandbox_port}",
        webhook_url=f"http://127.0.0.1:{settings.shop_port}/webhooks/stripe",
        webhook_secret=settings.webhook_secrets[0],
        business_name=settings.shop_name,
    )
    serve(described, port=settings.sandbox_port)


@main.command()
def newsroom() -> None:
    """Run the demo newsroom, a small news site on an origin of its own."""
    settings = load_settings()
    from shop.processes import CannotRun
    from shop.serving import serve_newsroom

    if settings.is_production:
        raise CannotRun("the newsroom serves the demo only: SHOP_ENV=production is refused")
    serve_newsroom(settings)
