"""The command about what stories have sold."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from shop.prompt import load_settings, open_database

if TYPE_CHECKING:
    from shop.insights.report import Line, Report

DAY = click.DateTime(["%Y-%m-%d"])
# As much of a headline as a line of the table has room for.
WIDTH = 44


@click.command()
@click.option(
    "--by",
    type=click.Choice(["article", "author", "section", "tag", "product", "placement", "day"]),
    default="article",
    show_default=True,
    help="What each row is of.",
)
@click.option("--since", type=DAY, metavar="DAY", help="From this day on (2026-11-01).")
@click.option("--until", type=DAY, metavar="DAY", help="Until this day, included.")
@click.option("--currency", metavar="CODE", help="Of orders in this currency, if the shop had another one before.")
@click.option("--json", "form", flag_value="json", help="As JSON, with amounts in minor units.")
@click.option("--csv", "form", flag_value="csv", help="As CSV for a spreadsheet.")
def insights(by: str, since: datetime | None, until: datetime | None, currency: str | None, form: str | None) -> None:
    """What was shown under stories, and what they have sold, net of what went back.

    Days are those of SHOP_TIME_ZONE. What has been counted in the last seconds may still be on its way.
    """
    if since and until and since > until:
        raise click.BadParameter("the first day is after the last.", param_hint="--since")
    settings = load_settings()
    from shop.insights.export import as_csv, as_json
    from shop.insights.reading import report

    with open_database(settings) as database, database.reading() as session:
        found = report(
            session,
            by=by,
            currency=(currency or settings.shop_currency).lower(),
            zone=settings.zone,
            livemode=settings.livemode,
            since=since.date() if since else None,
            until=until.date() if until else None,
        )
    if form:
        click.echo(as_json(found) if form == "json" else as_csv(found), nl=False)
    else:
        _show(found)


def _show(report: "Report") -> None:
    heads = ("seen", "opened", "added", "paid", f"net {report.currency.upper()}", "per 1000 seen")
    click.echo(f"{report.by:<{WIDTH}}" + "".join(f"{head:>14}" for head in heads))
    for line in (*report.lines, report.shipping, report.total):
        click.echo(_row(line))
    if report.overlaps:
        click.echo(f"A story counts under each {report.by} that it has, so the rows add up to more than the total.")
    if report.unverified:
        click.echo(f"{report.unverified} tokens were not ours.")
    if report.elsewhere:
        others = ", ".join(code.upper() for code in report.elsewhere)
        click.echo(f"Orders in {others} are not in here: see --currency.")


def _row(line: "Line") -> str:
    from shop.money import decimal_text

    label = line.label if len(line.label) <= WIDTH - 1 else f"{line.label[: WIDTH - 4]}..."
    amounts = [decimal_text(money.minor, money.currency) if money else "" for money in (line.net, line.per_thousand)]
    counts = [str(line.steps[step]) for step in ("seen", "opened", "added", "paid")]
    return f"{label:<{WIDTH}}" + "".join(f"{cell:>14}" for cell in (*counts, *amounts))


COMMANDS: tuple[click.Command, ...] = (insights,)
