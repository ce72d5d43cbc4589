"""Settings: each variable is checked once, at the start, and what is wrong is said by its name and never by its content."""

from collections.abc import Callable
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic import SecretStr

from shop.config import DEVELOPMENT_SECRET, BadSettings, Settings, public_settings
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET

ROOT = Path(__file__).parents[2]
DEVELOPMENT = {"STRIPE_SECRET_KEY": TEST_KEY, "STRIPE_WEBHOOK_SECRET": TEST_WEBHOOK_SECRET}
PRODUCTION = DEVELOPMENT | {
    "SHOP_ENV": "production",
    "SHOP_URL": "https://shop.example.com",
    "SHOP_SECRET_KEY": "s" * 40,
    "SHOP_DATABASE_URL": "postgresql+psycopg://shop:pw@db/shop",
    "SHOP_MAIL_URL": "smtp://user:pw@mail.example.com:587",
    "SHOP_MAIL_FROM": "shop@example.com",
    "SHOP_PUBLISHER_HOSTS": "www.example.com",
}
Load = Callable[[dict[str, str]], Settings]

# Each is refused. Those of one field that can hold any text are missing: see `test_every_field_...`.
MALFORMED = [
    ("SHOP_ENV", "staging", "production"),
    ("SHOP_NAME", "x" * 81, "80"),
    ("SHOP_URL", "shop.example.com", "https://shop.example.com"),
    ("SHOP_URL", "ftp://shop.example.com", "https://shop.example.com"),
    ("SHOP_URL", "https://shop.example.com/shop", "without a path"),
    ("SHOP_URL", "https://shop.example.com:eighty", "https://shop.example.com"),
    ("SHOP_URL", "https://[shop", "https://shop.example.com"),
    ("SHOP_URL", "https://hush@shop.example.com", "https://shop.example.com"),
    ("SHOP_CURRENCY", "beans", "SGD"),
    ("SHOP_COUNTRY", "Singapore", "SG"),
    ("SHOP_LOCALE", "klingon", "en_SG"),
    ("SHOP_PUBLISHER_HOSTS", "https://www.example.com", "www.example.com"),
    ("SHOP_PUBLISHER_HOSTS", "www.example.com, *", "*.example.com"),
    ("SHOP_DATA", str(Path(__file__)), "folder"),
    ("SHOP_DATABASE_URL", "mysql://hush@db/shop", "postgresql+psycopg://"),
    ("SHOP_DATABASE_URL", "postgresql://hush@db/shop", "postgresql+psycopg://"),
    ("SHOP_DATABASE_URL", "postgresql+psycopg://u:hush@db:port/shop", "postgresql+psycopg://"),
    ("SHOP_DATABASE_URL", "postgresql+psycopg://u:hush@db", "postgresql+psycopg://"),
    ("SHOP_DATABASE_URL", "sqlite:///", "sqlite:///path"),
    ("SHOP_DATABASE_URL", "sqlite://shop.db", "sqlite:///path"),
    ("SHOP_ALLOW_SQLITE", "perhaps", "true or false"),
    ("SHOP_QUEUE_URL", "amqp://hush@queue", "redis://"),
    ("SHOP_QUEUE_URL", "redis://:hush@queue:port/0", "redis://"),
    ("SHOP_LIMITS_URL", "memcached://hush", "memory://"),
    ("STRIPE_SECRET_KEY", "pk_test_hush", "sk_test_"),
    ("STRIPE_SECRET_KEY", "", "sk_test_"),
    ("STRIPE_WEBHOOK_SECRET", "hush", "whsec_"),
    ("STRIPE_WEBHOOK_SECRET", "", "whsec_"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_hush1 whsec_hush2 whsec_hush3", "at most two"),
    ("STRIPE_API_BASE", "http://stripe.example.com", "this machine"),
    ("STRIPE_API_BASE", "https://[hush", "this machine"),
    ("SHOP_MAIL_URL", "mail.example.com", "smtp://"),
    ("SHOP_MAIL_URL", "smtp://u:hush@mail.example.com:port", "smtp://"),
    ("SHOP_MAIL_FROM", "The Shop", "shop@example.com"),
    ("SHOP_HOST", "shop.example.com", "127.0.0.1"),
    ("SHOP_PORT", "eighty", "from 1 to 65535"),
    ("SHOP_PORT", "65536", "from 1 to 65535"),
    ("SHOP_WORKERS", "0", "from 1 to 64"),
    ("SHOP_THREADS", "many", "from 1 to 256"),
    ("SHOP_PROXIES", "-1", "from 0 to 5"),
    ("SHOP_LOG_FORMAT", "xml", "json"),
    ("SHOP_LOG_LEVEL", "loud", "warning"),
    ("SANDBOX_PORT", "0", "from 1 to 65535"),
    ("NEWSROOM_PORT", "1e3", "from 1 to 65535"),
    ("SHOP_SESSION_MINUTES", "30", "from 35 to 1440"),
    ("SHOP_TIME_ZONE", "Asia/Atlantis", "Asia/Singapore"),
    ("SHOP_CDN_SECONDS", "86401", "from 0 to 86400"),
    ("SHOP_PURGE_URL", "ftp://cache/", "http://127.0.0.1:6081/"),
    ("SHOP_PURGE_METHOD", "DELETE", "PURGE"),
    ("SHOP_PURGE_HEADER", "abc123", "Fastly-Key: abc123"),
    ("SHOP_CART_DAYS", "0", "from 1 to 365"),
    ("SHOP_MAX_QUANTITY", "1000000000", "from 1 to 999"),
]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Settings from an environment that holds nothing else of ours."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def load(environment: dict[str, str]) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return Settings.load()

    return load


def refusals(load: Load, environment: dict[str, str]) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        load(environment)
    first, *lines = str(refused.value).splitlines()
    assert first == "The shop cannot start:"
    assert "hush" not in str(refused.value)
    return [line.strip() for line in lines]


@pytest.mark.parametrize(("name", "value", "instead"), MALFORMED)
def test_a_malformed_variable_is_named_with_what_to_put_there(load: Load, name: str, value: str, instead: str) -> None:
    (line,) = refusals(load, DEVELOPMENT | {name: value})
    assert line.startswith(f"{name}: ")
    assert instead in line.removeprefix(f"{name}: ")


def test_every_field_that_can_be_malformed_is_tried_above() -> None:
    # A secret key of any length will do in development; production's rules for it are below.
    assert {name for name, _, _ in MALFORMED} | {"SHOP_SECRET_KEY"} == {name.upper() for name in Settings.model_fields}


def test_all_that_is_wrong_is_said_at_once(load: Load) -> None:
    lines = refusals(load, {"SHOP_PORT": "eighty", "SHOP_CURRENCY": "beans", "SHOP_WORKERS": "0"})
    assert [line.partition(":")[0] for line in lines] == ["SHOP_CURRENCY", "SHOP_PORT", "SHOP_WORKERS"]


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields if "stripe_secret" not in name])
def test_a_variable_that_is_left_empty_counts_as_not_set(load: Load, name: str) -> None:
    if name == "STRIPE_WEBHOOK_SECRET":
        assert refusals(load, DEVELOPMENT | {name: ""})[0].startswith(f"{name}: missing")
    else:
        unset = load(DEVELOPMENT)
        assert load({name: ""}) == unset


def test_a_complete_production_starts(load: Load) -> None:
    settings = load(PRODUCTION)
    assert settings.is_production
    assert settings.is_https


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SHOP_URL", "http://shop.example.com", "https"),
        ("SHOP_URL", "", "https"),
        ("SHOP_SECRET_KEY", "", "missing"),
        ("SHOP_SECRET_KEY", "hush", "32"),
        ("SHOP_SECRET_KEY", "hush " + "s" * 40, "32"),
        ("SHOP_SECRET_KEY", DEVELOPMENT_SECRET, "development"),
        ("SHOP_DATABASE_URL", "", "SHOP_ALLOW_SQLITE"),
        ("SHOP_DATABASE_URL", "sqlite:////srv/shop.db", "SHOP_ALLOW_SQLITE"),
        ("STRIPE_API_BASE", "http://127.0.0.1:8001", "local Stripe"),
        ("SHOP_MAIL_URL", "", "missing"),
        ("SHOP_MAIL_FROM", "", "missing"),
        ("SHOP_PUBLISHER_HOSTS", "", "missing"),
    ],
)
def test_production_refuses_what_is_only_good_for_development(load: Load, name: str, value: str, said: str) -> None:
    (line,) = refusals(load, PRODUCTION | {name: value})
    assert line.startswith(f"{name}: ")
    assert said in line


def test_production_runs_on_sqlite_once_that_is_said(load: Load) -> None:
    settings = load(PRODUCTION | {"SHOP_DATABASE_URL": "", "SHOP_ALLOW_SQLITE": "true"})
    assert settings.database_url.startswith("sqlite:///")


def test_the_key_that_is_suggested_is_another_one_each_time(load: Load) -> None:
    environment = PRODUCTION | {"SHOP_SECRET_KEY": ""}
    assert refusals(load, environment) != refusals(load, environment)


@pytest.mark.parametrize("kind", ["sk", "rk"])
def test_a_live_key_never_goes_to_a_local_stripe(load: Load, kind: str) -> None:
    environment = DEVELOPMENT | {"STRIPE_SECRET_KEY": f"{kind}_live_hush", "STRIPE_API_BASE": "http://127.0.0.1:8001"}
    (line,) = refusals(load, environment)
    assert "live key" in line


@pytest.mark.parametrize(("key", "live"), [("sk_live_x", True), ("rk_live_x", True), ("sk_test_of_live_x", False)])
def test_whether_a_key_moves_real_money(load: Load, key: str, live: bool) -> None:
    assert load(DEVELOPMENT | {"STRIPE_SECRET_KEY": key}).livemode is live


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOP_DATABASE_URL", "postgresql+psycopg://u:p%23w@[::1]:5432/shop?sslmode=require"),
        ("SHOP_DATABASE_URL", "postgresql+psycopg:///shop?host=/run/postgresql"),
        ("SHOP_QUEUE_URL", "postgresql://u:p@db:5432/shop"),
        ("SHOP_QUEUE_URL", "rediss://:pw@queue.example.com:6380/0"),
        ("SHOP_LIMITS_URL", "redis://limits:6379/1"),
        ("SHOP_MAIL_URL", "smtps://u:p@mail.example.com"),
        ("SHOP_MAIL_URL", "folder:/srv/mail"),
        ("SHOP_MAIL_FROM", "The Courier Shop <shop@example.com>"),
        ("SHOP_HOST", "::"),
        ("SHOP_PUBLISHER_HOSTS", "www.example.com, *.example.com:8443 localhost:8002"),
        ("STRIPE_API_BASE", "http://[::1]:8001"),
    ],
)
def test_what_is_fine(load: Load, name: str, value: str) -> None:
    load(DEVELOPMENT | {name: value})


@pytest.mark.parametrize(("host", "listens"), [("localhost", "127.0.0.1"), ("[::1]", "::1"), ("0.0.0.0", "0.0.0.0")])
def test_the_server_is_given_an_address_in_numbers(load: Load, host: str, listens: str) -> None:
    assert load(DEVELOPMENT | {"SHOP_HOST": host}).shop_host == listens


def test_nothing_that_shows_the_settings_shows_a_secret(load: Load) -> None:
    hidden = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert {"shop_secret_key", "stripe_secret_key", "stripe_webhook_secret", "shop_database_url"} <= set(hidden)
    settings = load(
        {
            "SHOP_SECRET_KEY": "hush" * 10,
            "STRIPE_SECRET_KEY": "sk_test_hush",
            "STRIPE_WEBHOOK_SECRET": "whsec_hush, whsec_hush2",
            "SHOP_DATABASE_URL": "postgresql+psycopg://u:hush@db/shop",
            "SHOP_QUEUE_URL": "redis://:hush@queue",
            "SHOP_LIMITS_URL": "redis://:hush@limits",
            "SHOP_MAIL_URL": "smtp://u:hush@mail.example.com",
        }
    )
    # What is worked out from secrets is kept beside them from then on.
    assert all("hush" in told for told in (settings.database_url, settings.queue_url, settings.mail_url))
    assert all("hush" in told for told in (*settings.secret_keys, *settings.webhook_secrets))
    for shown in (repr(settings), str(settings), str(public_settings(settings)), settings.model_dump_json()):
        assert "hush" not in shown


def test_settings_do_not_change_once_they_are_read(load: Load) -> None:
    settings = load(DEVELOPMENT)
    with pytest.raises(ValueError, match="frozen"):
        settings.shop_port = 1  # type: ignore[misc]


def test_the_example_holds_every_setting_with_its_default_and_a_word_about_it(load: Load) -> None:
    path = ROOT / ".env.example"
    example = {name: value or "" for name, value in dotenv_values(path).items()}
    assert list(example) == [name.upper() for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        told = str(default).lower() if isinstance(default, bool) else "" if default == () else str(default)
        assert example[name.upper()].casefold() == told.casefold(), name
    assert load(DEVELOPMENT | {k: v for k, v in example.items() if v}) == Settings()
    told = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(told):
        if line.startswith(("SHOP_", "STRIPE_", "SANDBOX_", "NEWSROOM_")) and not line.startswith("SHOP_PORT="):
            assert told[number - 1].startswith("# "), line
