"""Pages are tested on SQLite, and on PostgreSQL, too, where they are about what is asked of the database.

The rules behind them run on both, every one (tests/rules). What only a page could get wrong there is its statements.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
ON_BOTH = {
    "test_admin_orders.py",
    "test_admin_permissions.py",
    "test_admin_products.py",
    "test_budgets.py",
    "test_feeds_out.py",
    "test_storefront_checkout.py",
    "test_webhook_door.py",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    spared = [item for item in items if _is_spared(item)]
    if spared:
        config.hook.pytest_deselected(items=spared)
        items[:] = [item for item in items if item not in set(spared)]


def _is_spared(item: pytest.Item) -> bool:
    called = getattr(item, "callspec", None)
    return (
        item.path.parent == HERE
        and item.path.name not in ON_BOTH
        and called is not None
        and called.params.get("database_url") == "postgresql"
    )
