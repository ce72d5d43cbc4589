"""Fixtures of the tests that run the `shop` command in processes of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import KEYS, environment


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
