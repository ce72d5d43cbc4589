"""Fixtures of the tests that run the `shop` command in processes of its own.

The demo and the wheel's shop are started from an installation of the wheel, not from this working tree: what the wheel
lacks fails here. Drawing the catalogue's pictures is most of a minute's work, so it is done once, by the demo's first start.
"""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.commands import KEYS, environment, free_ports, running
from tests.support.reader import BUYER, OverHttp, Page, Reader
from tests.support.serving import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def unmigrated(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The environment of a shop whose database has no tables yet."""

    def make(**settings: object) -> dict[str, str]:
        return environment(**KEYS | {"SHOP_DATA": tmp_path / "var"} | settings)

    return make


@pytest.fixture
def prepared(
    unmigrated: Callable[..., dict[str, str]], tmp_path: Path, sqlite_template: Path
) -> Callable[..., dict[str, str]]:
    """The environment of a shop with a migrated, empty database."""
    (tmp_path / "var").mkdir()
    shutil.copy(sqlite_template, tmp_path / "var" / "shop.db")
    return unmigrated


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `shop` command in a virtual environment that holds the wheel and what requirements/run.txt names, and no more.

    uv installs from the locks with their hashes, as pip would and in a tenth of the time.
    """
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv" / "bin" / "python"

    def do(*words: object) -> None:
        subprocess.run([sys.executable, "-m", *map(str, words)], check=True, env=environment())

    do("build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    do("venv", "--without-pip", folder / "venv")
    locks = ROOT / "requirements" / "run.txt"
    do("uv", "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", locks)
    do("uv", "pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    return python.with_name("shop")


@dataclass(frozen=True)
class Demo:
    """The demo that these tests start again and again: its command, its environment, and its data folder."""

    program: tuple[str, ...]
    ports: Mapping[str, int]
    folder: Path

    def environment(self, **settings: object) -> dict[str, str]:
        return environment(SHOP_DATA=self.folder, **dict(self.ports) | settings)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "shop.db") as tables:
            return tables.execute(sql).fetchall()


@dataclass(frozen=True)
class FirstStart:
    """What the demo's first start said, which of the addresses that it named answered, what a reader bought, its end."""

    said: str
    answered: Mapping[str, int]
    order: tuple[str, str, str]
    status: int
    left: int
    log: str


@pytest.fixture(scope="session")
def demo(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    ports = dict(zip(("SHOP_PORT", "SANDBOX_PORT", "NEWSROOM_PORT"), free_ports(3), strict=True))
    return Demo((str(installed),), ports, tmp_path_factory.mktemp("demo") / "var")


@pytest.fixture(scope="session")
def first_start(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    """The demo started in an empty folder, from another folder; used; and stopped with Ctrl-C."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    log = elsewhere / "log"
    with running("demo", env=demo.environment(), log=log, program=demo.program, cwd=elsewhere) as started:
        said = started.says("Ctrl-C stops everything.")
        answered = {url: requests.get(url, timeout=60).status_code for url in re.findall(r"http://\S+", said)}
        order = buy_a_mug(demo)
        status = started.stop(signal.SIGINT, group=True)
        left = len(started.everyone())
    return FirstStart(said, answered, order, status, left, log.read_text(encoding="utf-8"))


def buy_a_mug(demo: Demo) -> tuple[str, str, str]:
    """Buy and pay as a reader does. The order's number, its link's token and its status, once the webhook has come."""
    reader = Reader(OverHttp(demo.url("SHOP_PORT")))  # type: ignore[arg-type]
    sent_to = reader.buy("deadline-mug").location
    assert sent_to.startswith(demo.url("SANDBOX_PORT"))
    page = Page(requests.get(sent_to, timeout=60))  # type: ignore[arg-type]
    form = next(form for form in page.forms if form.method == "post")
    requests.post(sent_to, data=form.fields | BUYER, allow_redirects=False, timeout=60)
    (order,) = eventually(
        lambda: demo.rows("SELECT number, access_token, status FROM orders WHERE status = 'paid'"), 60
    )
    return order
