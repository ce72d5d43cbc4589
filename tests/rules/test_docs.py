"""What the docs say is what the code does: settings, commands, events, cards and attributes, and every path they name."""

import os
import pkgutil
import re
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from inspect import getmembers, isfunction, signature
from io import StringIO
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest
import sqlalchemy as sa
from dotenv import dotenv_values
from pydantic import SecretStr

from shop.app import create_app
from shop.cart.reading import CartView
from shop.checkout.events import HANDLED
from shop.checkout.params import session_params
from shop.cli import main
from shop.config import BadSettings, Settings, public_settings
from shop.db import Database, now
from shop.fulfilment.rates import Rate, countries_served, rates_for
from shop.orders.models import Order
from shop.sandbox.cards import CARDS
from shop.sandbox.control import Control
from shop.sandbox.faults import DELIVERY_KINDS, KINDS
from shop.sandbox.promotions import CODES
from shop.sandbox.routes import routes as sandbox_routes
from shop.sandbox.settings import SandboxSettings
from shop.sandbox_commands import COMMANDS
from shop.staff.models import ROLES
from shop.staff.permissions import PERMISSIONS
from shop.web.assets import STATIC
from shop.web.carts import cookie_name
from shop.web.embed.choosing import Reason

ROOT = Path(__file__).parents[2]


def own_files() -> list[Path]:
    """The project's files: everything in its folder but what .gitignore names."""
    ignored = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split())]

    def is_own(name: str) -> bool:
        return not any(fnmatch(name, pattern) for pattern in ignored)

    found: list[Path] = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(filter(is_own, folders))
        found += [Path(folder, name) for name in sorted(filter(is_own, files))]
    return found


FILES = own_files()
PAGES = [path for path in FILES if path.suffix == ".md"]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """What stands under a heading of a page, with its smaller headings."""
    text = page(name)
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"{name} has no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def first_cells(text: str) -> list[str]:
    """The names in the first column of a section's tables, in order."""
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def blocks(text: str) -> list[str]:
    """The indented blocks of a section, without their indentation."""
    found = re.findall(r"(?:^(?: {4}.*)?\n)+", text, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE).strip() for block in found if block.strip()]


def test_the_line_that_the_server_logs_at_its_start_holds_every_setting_and_no_secret() -> None:
    settings = Settings.load(
        shop_secret_key="hush-1-" + "x" * 40,
        stripe_secret_key="sk_test_hush2",
        stripe_webhook_secret="whsec_hush3",
        shop_database_url="postgresql+psycopg://shop:hush4@db/shop",
        shop_queue_url="redis://:hush5@queue",
        shop_limits_url="redis://:hush6@limits",
        shop_mail_url="smtp://user:hush7@mail.example.com",
    )
    # Whoever uses the settings before they are logged keeps what was worked out from them beside them.
    assert settings.database_url
    assert settings.secret_keys
    assert settings.webhook_secrets
    shown = public_settings(settings)
    assert set(shown) == set(Settings.model_fields)
    assert "hush" not in str(shown)


def test_every_setting_is_listed_once_and_no_other() -> None:
    listed = first_cells(section("docs/operating.md", "Settings"))
    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)


def test_every_default_is_what_the_code_has() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", section("docs/operating.md", "Settings"), re.MULTILINE))
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        shown = rows[name.upper()]
        if default in {"", ()}:
            assert not re.fullmatch(r"`[^`]*`", shown), (
                f"{name.upper()} has no default of its own, yet {shown} is given"
            )
        else:
            assert shown == f"`{str(default).lower() if isinstance(default, bool) else default}`", name.upper()


def test_no_page_names_a_variable_that_nobody_reads() -> None:
    known = {name.upper() for name in Settings.model_fields} | {
        "SHOP_ADMIN_PASSWORD",  # shop create-admin
        "SHOP_TEST_POSTGRES",  # tests/support/postgres.py
        "SHOP_DIE_AT",  # shop/crashing.py
    }
    named = {
        (path.name, name)
        for path in PAGES
        for name in re.findall(r"\b(?:SHOP|STRIPE|SANDBOX|NEWSROOM)_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    assert {pair for pair in named if pair[1] not in known} == set()


def test_the_settings_of_the_readme_start_a_shop_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(block for block in blocks(page("README.md")) if "SHOP_ENV=production" in block)
    # What the page leaves out as "..." is filled in here.
    values = dotenv_values(stream=StringIO(block.replace("...", "x" * 40)))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value or "")
    settings = Settings.load()
    assert settings.is_production
    assert settings.livemode
    for name in ("SHOP_SECRET_KEY", "SHOP_URL", "SHOP_MAIL_URL", "SHOP_MAIL_FROM", "SHOP_PUBLISHER_HOSTS"):
        with monkeypatch.context() as less:
            less.delenv(name)
            with pytest.raises(BadSettings, match=name):
                Settings.load()


def test_every_command_and_each_of_its_options_is_listed() -> None:
    commands = section("docs/operating.md", "Commands")
    assert [name.removeprefix("shop ") for name in first_cells(commands)] == list(main.commands)
    options = {option for command in main.commands.values() for param in command.params for option in param.opts}
    assert {option for option in options if option.startswith("--") and f"`{option}`" not in commands} == set()


def test_what_a_running_local_stripe_can_be_told_is_listed() -> None:
    commands = section("docs/local-stripe.md", "Commands")
    assert [row.split()[2] for row in first_cells(commands)] == [command.name for command in COMMANDS]
    options = {option for command in COMMANDS for param in command.params for option in param.opts}
    assert {option for option in options if option.startswith("--") and f"`{option}`" not in commands} == set()


def test_every_command_that_a_page_names_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"`shop ([a-z][a-z-]*)", text)) <= set(main.commands), path.name
        assert set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE)) <= targets, path.name


def test_the_events_to_subscribe_to_are_those_that_are_handled() -> None:
    assert tuple(first_cells(section("docs/stripe.md", "Events"))) == HANDLED
    listed = re.findall(r"^ {4}(\w+(?:\.\w+)+)$", page("README.md"), re.MULTILINE)
    assert tuple(listed) == HANDLED


def test_every_parameter_that_stripe_is_sent_is_listed() -> None:
    settings = Settings.load(stripe_secret_key="sk_test_x", stripe_webhook_secret="whsec_x")
    order = Order(id=1, number="U-12345678", access_token="t" * 32, country="SG")
    rate = Rate(1, "Standard post", 300, "sgd", 2, 4)
    sent = session_params(settings, order, CartView(1, (), "sgd"), (rate,), now())
    assert first_cells(section("docs/stripe.md", "What Stripe is sent")) == list(sent)


def test_the_test_cards_are_those_of_the_local_stripe() -> None:
    rows = re.findall(r"^\| `(\d+)` \| (.+) \|$", section("docs/local-stripe.md", "Test cards"), re.MULTILINE)
    assert rows == [(card.number, card.label) for card in CARDS]
    assert first_cells(section("docs/local-stripe.md", "Other ways to pay")) == [code.code for code in CODES]


def test_every_address_of_the_local_stripe_is_listed() -> None:
    routes = sandbox_routes(SandboxSettings(Path("stripe.db"), "http://127.0.0.1"))
    addresses = {route.path.partition("/<")[0] for route in routes}
    listed = [cell for cell in first_cells(section("docs/local-stripe.md", "The API")) if cell.startswith("/v1/")]
    assert sorted(listed) == sorted(addresses)


def test_every_control_of_the_local_stripe_is_listed_with_its_arguments() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", section("docs/local-stripe.md", "Control"), re.MULTILINE)
    controls = {
        name: [
            parameter.name
            for parameter in list(signature(method).parameters.values())[1:]
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        for name, method in getmembers(Control, isfunction)
        if not name.startswith("_")
    }
    assert {name: re.findall(r"`(\w+)`", arguments) for name, arguments in rows} == controls
    assert tuple(first_cells(section("docs/local-stripe.md", "Faults"))) == KINDS
    assert tuple(first_cells(section("docs/local-stripe.md", "Faults of deliveries"))) == DELIVERY_KINDS


def test_the_attributes_are_those_that_the_loader_reads() -> None:
    loader = (STATIC / "embed.js").read_text(encoding="utf-8")
    read = set(re.findall(r"(?:getAttribute|say)\('([\w-]+)'\)", loader)) - {"data-"}
    read |= set(re.findall(r"of '([a-z ]+)'\.split\(' '\)\)\n\s+if \(this\.say", loader)[0].split()) | {"data-consent"}
    assert set(first_cells(section("docs/embedding.md", "Attributes"))) == read


def test_the_sizes_are_those_that_the_loader_holds_free() -> None:
    loader = (STATIC / "embed.js").read_text(encoding="utf-8")
    narrow, least, wide, middle, most = re.findall(r"wide < (\d+) \? (\d+) : wide < (\d+) \? (\d+) : (\d+)", loader)[0]
    others = dict(re.findall(r"\b(line|shelf|button): (\d+)", loader))
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| (\d+) px \|$", section("docs/embedding.md", "Sizes"), re.MULTILINE)
    assert rows == [
        ("card", f"under {narrow} px", least),
        ("card", f"{narrow} to {int(wide) - 1} px", middle),
        ("card", f"{wide} px and more", most),
        *((layout, "any", height) for layout, height in others.items()),
    ]


def test_the_properties_of_style_are_those_that_the_loader_passes_on() -> None:
    loader = (STATIC / "embed.js").read_text(encoding="utf-8")
    names = re.findall(r"of '([a-z -]+)'\.split\(' '\)\)\n\s+style\[name\]", loader)[0].split()
    assert first_cells(section("docs/embedding.md", "Colours and type")) == [f"--shop-{name}" for name in names]


def test_the_reasons_are_those_for_which_a_frame_shows_nothing() -> None:
    assert first_cells(section("docs/embedding.md", "When nothing shows")) == list(get_args(Reason))


def test_the_messages_are_those_that_frame_and_loader_send() -> None:
    frame = (STATIC / "frame.js").read_text(encoding="utf-8")
    loader = (STATIC / "embed.js").read_text(encoding="utf-8")
    sent = set(re.findall(r"\btell\('(\w+)'", frame)) | set(re.findall(r"\btell\(holder, '(\w+)'", loader))
    sent |= set(re.findall(r"\btype: '(\w+)'", loader))
    cells = first_cells(section("docs/embedding.md", "Messages and events"))
    assert {cell for cell in cells if not cell.startswith("shop:")} == sent
    assert {cell.removeprefix("shop:") for cell in cells if cell.startswith("shop:")} < sent


def test_every_event_of_the_log_is_listed() -> None:
    said = {
        event
        for path in (ROOT / "shop").rglob("*.py")
        if not {"sandbox", "demo"} & set(path.relative_to(ROOT).parts)
        for event in re.findall(
            r'\blog\.(?:debug|info|warning|error|exception)\(\s*"([^"%]+)"', path.read_text(encoding="utf-8")
        )
    }
    rows = re.findall(r"^\| (`[^|]+) \|", section("docs/operating.md", "Logs"), re.MULTILINE)
    assert {event for row in rows for event in re.findall(r"`([^`]+)`", row)} == said


def test_the_cookies_are_those_of_a_shop_over_https(make_settings: Callable[..., Settings]) -> None:
    app = create_app(make_settings(shop_url="https://shop.example.com", stripe_api_base=""))
    with app.test_request_context():
        names = {cookie_name(), app.config["SESSION_COOKIE_NAME"]}
    app.extensions["understory"].database.close()
    assert set(first_cells(section("docs/operating.md", "Cookies"))) == names


def test_the_roles_are_those_of_the_table_of_permissions() -> None:
    assert first_cells(section("docs/operating.md", "Back office roles")) == list(ROLES)
    assert all("owner" in roles for roles in PERMISSIONS.values())
    rights = {role: {right for right, roles in PERMISSIONS.items() if role in roles} for role in ROLES}
    assert rights["analyst"] == {right for right in PERMISSIONS if right.endswith(".see")}
    assert rights["editor"] == {"home.see", "products.see"}
    assert rights["packer"] == {"home.see", "products.see", "stock.see", "orders.see", "orders.ship"}
    assert rights["merchandiser"] == set(PERMISSIONS) - {"audit.see"}


def test_the_statements_for_a_shipping_zone_make_one_that_a_cart_can_be_sent_to(database: Database) -> None:
    statements = next(block for block in blocks(section("docs/operating.md", "Shipping zones")) if "INSERT" in block)
    with database.transaction() as session:
        for statement in filter(str.strip, statements.split(";")):
            session.execute(sa.text(statement))
        assert "MY" in countries_served(session)
        assert [(rate.name, rate.amount_minor) for rate in rates_for(session, "MY", 14_999, "sgd")] == [
            ("Airmail", 1200)
        ]
        assert [rate.amount_minor for rate in rates_for(session, "MY", 15_000, "sgd")] == [0]


def anchors(path: Path) -> set[str]:
    """The names under which a page's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    for target in re.findall(r'(?:\]\(|<img src=")([^)"\s]+)', path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = unquote(target).partition("#")
        linked = (path.parent / place).resolve() if place else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_name_in_code_that_a_page_names_exists(path: Path) -> None:
    folders = {name.relative_to(ROOT).parts[0] for name in FILES if len(name.relative_to(ROOT).parts) > 1}
    for named in re.findall(r"`([\w./-]+)`", path.read_text(encoding="utf-8")):
        is_file = re.fullmatch(r"[\w-][\w./-]*\.(?:py|md|js|css|html|toml|txt)", named)
        if is_file or (named.split("/")[0] in folders and "/" in named):
            # The rooms of the shop are named without its folder, too, and a file that is there once by its name alone.
            found = [(ROOT / named), (ROOT / "shop" / named), *(file for file in FILES if file.name == named)]
            assert any(place.exists() for place in found), named
        elif re.fullmatch(r"shop(?:\.\w+)+", named) and "example" not in named:
            pkgutil.resolve_name(named)


def test_the_map_says_who_may_import_whom_as_the_contract_does() -> None:
    contracts = tomllib.loads(page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    said = " ".join(page("docs/architecture.md").split())
    assert " > ".join(layers).replace("shop.", "") in said


def test_the_decisions_are_numbered_without_a_gap() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("*.md"))
    for number, decision in enumerate(decisions, start=1):
        assert decision.name.startswith(f"{number:04}-")
        assert decision.read_text(encoding="utf-8").startswith(f"# {number:04} ")


def test_pictures_are_small_enough_to_be_cloned_and_shown() -> None:
    for picture in (ROOT / "docs/images").iterdir():
        assert picture.stat().st_size < 150_000, picture.name


def test_no_file_names_a_folder_of_one_machine_or_an_index_of_packages() -> None:
    # Put together here, or this file would be the first to name them.
    folders = "|".join(("ho" + "me", "wo" + "rk", "ro" + "ot", "Us" + "ers"))
    hosts = "|".join(("py" + "pi", "python" + "hosted", "npm" + "js", "--(?:extra-)?index" + "-url[ =]"))
    foreign = re.compile(rf"(?:^|[\s\"'`=(:])/(?:{folders})/|(?:{hosts})")
    found = []
    for path in FILES:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {hit[0]}" for hit in foreign.finditer(text)]
    assert found == []
