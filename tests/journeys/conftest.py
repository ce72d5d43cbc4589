"""Fixtures of the journeys: a real Chromium through a whole house.

- `house`         a shop, a local Stripe and a newsroom of this test's own, with the demo's catalogue, on SQLite.
- `shared_house`  one for all tests that leave nothing behind that another would mind.
- `browsers`      opens fresh browsers (`browsers.open()`), photographs (`browsers.snap(page, "step")`) and fails the test
                  when a page complains; an error's answer that is meant is named: `browsers.expects(422, "/cart/lines")`.
- `page`          the usual case: one browser at 1280 pixels.
- `lenient_page`  the same where third parties may keep cookies and storage; in all others they may not.

Nobody sleeps: wait with Playwright's `expect` or with `eventually`.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.journeys.support.browsers import BLOCKING, FLAGS, PATIENCE_MS, Browsers, chromium
from tests.journeys.support.house import House, open_house, prepare

ROOT = Path(__file__).parent.parent.parent
ALBUM = ROOT / "artefacts" / "journeys"
OPENED = pytest.StashKey[Browsers]()
KEPT_FOR = 2 * 86400  # seconds; another run may still be copying a younger one
# What a prepared shop is made from.
INGREDIENTS = (
    "shop/demo/art/*",
    "shop/demo/catalogue.py",
    "shop/demo/seed.py",
    "shop/catalog/pictures.py",
    "shop/catalog/text.py",
    "shop/*/models.py",
    "migrations/versions/*.py",
)


@pytest.fixture(scope="session")
def prepared(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded shop to copy. Drawing its pictures is most of a minute's work, so it is kept until it would differ.

    The day is one of its ingredients, for products are published by it.
    """
    digest = sha256(f"{datetime.now(UTC):%Y-%m-%d}".encode())
    for path in sorted(path for pattern in INGREDIENTS for path in ROOT.glob(pattern)):
        digest.update(path.read_bytes())
    assert pytestconfig.cache is not None
    shelf = pytestconfig.cache.mkdir("journeys")
    kept = shelf / digest.hexdigest()[:16]
    if not kept.exists():
        for old in shelf.iterdir():
            if time.time() - old.stat().st_mtime > KEPT_FOR:
                shutil.rmtree(old, ignore_errors=True)
        made = tmp_path_factory.mktemp("prepared", numbered=True)
        prepare(made / "var")
        half = kept.with_name(f"{kept.name}-{made.parent.name}-{made.name}")
        shutil.move(made / "var", half)
        try:
            half.rename(kept)
        except OSError:  # another process was first
            shutil.rmtree(half)
    return kept


@pytest.fixture
def house(prepared: Path, tmp_path: Path) -> Iterator[House]:
    with open_house(prepared, tmp_path / "var") as house:
        yield house


@pytest.fixture(scope="package")
def shared_house(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(prepared, tmp_path_factory.mktemp("shared") / "var") as house:
        yield house


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Stopped after the last journey: while it runs, its event loop is this thread's, and Flask minds that."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def chromium_browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium(), args=[*FLAGS, BLOCKING])
    yield browser
    browser.close()


@pytest.fixture
def browsers(chromium_browser: Browser, request: pytest.FixtureRequest) -> Browsers:
    ALBUM.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    browsers = request.node.stash[OPENED] = Browsers(chromium_browser, ALBUM, name)
    return browsers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Close a journey's browsers with its last line, while everything that they talk to still answers."""
    try:
        yield
    except BaseException:
        if OPENED in item.stash:
            item.stash[OPENED].give_up()
        raise
    if OPENED in item.stash:
        item.stash[OPENED].close()


@pytest.fixture
def page(browsers: Browsers) -> Page:
    return browsers.open()


@pytest.fixture
def lenient_page(playwright: Playwright, browsers: Browsers, tmp_path: Path) -> Page:
    # Blocked unless a profile says otherwise, in the system's Chromium and in whatever is a private window.
    profile = tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    allowed = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}
    (profile / "Default" / "Preferences").write_text(json.dumps(allowed))
    return browsers.adopt(
        playwright.chromium.launch_persistent_context(profile, executable_path=chromium(), args=[*FLAGS])
    )
