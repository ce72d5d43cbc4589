"""docs/invariants.md names what there is: constraints of the schema, files, and tests."""

import ast
import re
from pathlib import Path

import pytest

from shop.models import metadata

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/invariants.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| ")][
    1:
]
NAMES = re.compile(r"\b(?:ck|uq|fk|ix|pk)_\w+")
TESTS = re.compile(r"\btest_\w+")
PATHS = re.compile(r"\b(?:shop|tests|docs)/[\w/]+\.py\b")
# Of stock and money: what these tables forbid is promised to somebody.
PROMISED = {"variants", "stock_movements", "carts", "cart_lines", "cart_handovers", "orders", "order_lines"}
PROMISED |= {"payment_attempts", "stripe_events", "outbox"}
# Of no consequence to stock or money.
BESIDE = {"ck_variants_weight_not_negative", "uq_variants_sku", "uq_variants_product_id_choice_key"}
BESIDE |= {"uq_orders_number", "uq_orders_access_token"}


def constraints() -> set[str]:
    rules = {str(rule.name) for table in metadata.sorted_tables for rule in table.constraints}
    return rules | {str(index.name) for table in metadata.sorted_tables for index in table.indexes}


def named_tests() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found |= {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
    return found


def test_there_is_a_table_of_promises() -> None:
    assert len(ROWS) > 20
    assert {len(row) for row in ROWS} == {3}


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:60] for row in ROWS])
def test_each_promise_names_where_it_is_kept_and_the_test_that_tries_to_break_it(row: list[str]) -> None:
    _, kept, tried = row
    assert NAMES.search(kept) or PATHS.search(kept)
    assert TESTS.search(PATHS.sub("", tried)) or PATHS.search(tried) or "the machine" in tried


def test_every_constraint_file_and_test_that_is_named_exists() -> None:
    paths = set(PATHS.findall(TEXT))
    assert {path for path in paths if not (ROOT / path).is_file()} == set()
    assert set(NAMES.findall(TEXT)) - constraints() == set()
    assert set(TESTS.findall(PATHS.sub("", TEXT))) - named_tests() == set()


def test_every_rule_of_stock_and_money_in_the_schema_is_promised_here() -> None:
    rules = {
        str(rule.name)
        for table in metadata.sorted_tables
        if table.name in PROMISED
        for rule in table.constraints
        if str(rule.name).startswith(("ck_", "uq_"))
    }
    assert rules - set(NAMES.findall(TEXT)) - BESIDE == set()
