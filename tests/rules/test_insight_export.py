"""A report as other programs get it: the same numbers, and nothing that a spreadsheet would run."""

import csv
import io
import json
from datetime import date
from typing import Any

import pytest

from shop.config import BadSettings, Settings
from shop.db import Database
from shop.insights.export import as_csv, as_json
from shop.insights.reading import report
from shop.insights.report import Line, Report
from tests.builders import a_product
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET
from tests.support.commands import environment, run
from tests.support.selling import Sold, an_article, refund, sell


def a_report(*lines: Line, **fields: Any) -> Report:
    return Report(
        by="article",
        since=date(2026, 3, 1),
        until=None,
        currency="sgd",
        lines=lines,
        shipping=Line("shipping", "Shipping", "sgd"),
        total=Line("total", "Total", "sgd"),
        **fields,
    )


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("headline", ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "\tx", " =1", "\uff1d1"])
def test_a_headline_is_no_formula(headline: str) -> None:
    (row, _, _) = rows_of(as_csv(a_report(Line(headline, headline, "sgd"))))
    assert row["label"] == f"'{headline}"
    assert row["key"].startswith("'")


def test_amounts_below_zero_are_numbers() -> None:
    lost = Line("a", "A", "sgd", disputed_minor=1250)
    lost.steps["seen"] = 10
    (row, _, _) = rows_of(as_csv(a_report(lost)))
    assert (row["net"], row["net_per_thousand_seen"]) == ("-12.50", "-1250.00")


def test_both_forms_say_what_the_report_says(database: Database, settings: Settings) -> None:
    with database.transaction() as session:
        mug, story = a_product(session, "mug", title="Mug"), an_article(session, 'quotes-"and",commas')
        order, _ = sell(session, Sold(mug, 2, 1800, article=story), shipping=500)
        refund(session, order, 600)
    with database.reading() as session:
        found = report(session, by="article", currency="sgd", zone=settings.zone, livemode=False)
    assert found.total.net.minor == 3500
    described = json.loads(as_json(found))
    cells = rows_of(as_csv(found))
    assert [row["row"] for row in cells] == ["row", "shipping", "total"]
    for line, said, row in zip(
        (*found.lines, found.shipping, found.total),
        (*described["rows"], described["shipping"], described["total"]),
        cells,
        strict=True,
    ):
        assert (said["label"], row["label"]) == (line.label, line.label)
        for name in ("sold", "refunded", "disputed", "net"):
            minor = getattr(line, name).minor
            assert said[f"{name}_minor"] == minor
            assert row[name] == f"{minor / 100:.2f}"
        for step, times in line.steps.items():
            assert said[step] == times == int(row[step])
    assert described["total"]["net_minor"] == 3500


def test_the_command_prints_the_same_sums(database: Database, database_url: str) -> None:
    with database.transaction() as session:
        sell(session, Sold(a_product(session), 1, 3900, article=an_article(session, "kim")), shipping=500)
    env = environment(
        SHOP_DATABASE_URL=database_url,
        SHOP_TIME_ZONE="Asia/Singapore",
        STRIPE_SECRET_KEY=TEST_KEY,
        STRIPE_WEBHOOK_SECRET=TEST_WEBHOOK_SECRET,
    )
    table = run("insights", "--since", "2026-03-01", "--until", "2026-03-01", env=env)
    assert table.status == 0, table
    lines = [line.split() for line in table.out.splitlines()]
    assert [line[-1] for line in lines[1:]] == ["39.00", "5.00", "44.00"]
    described = run("insights", "--by", "product", "--json", env=env)
    assert json.loads(described.out)["total"]["net_minor"] == 4400
    assert rows_of(run("insights", "--csv", env=env).out)[-1]["net"] == "44.00"
    refused = run("insights", "--since", "2026-03-02", "--until", "2026-03-01", env=env)
    assert "the first day is after the last" in refused.refusal


def test_a_time_zone_that_there_is_not_is_refused_with_what_to_write() -> None:
    for wrong in ("Singapore/Asia", "../etc/passwd", "+08:00"):
        with pytest.raises(BadSettings, match="SHOP_TIME_ZONE: write a time zone such as Asia/Singapore"):
            Settings.load(shop_time_zone=wrong, stripe_secret_key=TEST_KEY, stripe_webhook_secret=TEST_WEBHOOK_SECRET)
