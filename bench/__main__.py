"""`python -m bench`: start both servers, measure every kind of request, print the table."""

import argparse
import json
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.asks import KINDS
from bench.load import Load
from bench.measuring import Figure, measure
from bench.placing import rates, report
from bench.premises import postgres, premises, temporary_folder
from bench.servers import running
from shop import logs

COLUMNS = "{:<27} {:>9} {:>9} {:>7} {:>13} {:>6} {:>5} {:>5}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 if every aim is met, 1 if not."""
    asked = _parser().parse_args(arguments)
    logs.set_up("error")
    kinds = [kind for kind in KINDS if not asked.only or any(word in kind.name for word in asked.only)]
    figures = []
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        url = f"sqlite:///{folder}/shop.db"
        if asked.postgres is not None or asked.place:
            url = stack.enter_context(postgres(folder, asked.postgres or ""))
        print(f"Preparing a shop on {url.partition(':')[0].partition('+')[0]} ...", flush=True)
        shop = stack.enter_context(premises(folder, url))
        if asked.place:
            found = rates(shop, asked.requests, asked.rounds)
            return 0 if report(found) else 1
        load = stack.enter_context(Load(asked.connections))
        bare = stack.enter_context(running("bare", shop.environment, folder / "bare.log"))
        served = stack.enter_context(running("shop", shop.environment, folder / "shop.log"))
        print(
            f"{asked.rounds} rounds of {asked.requests} requests to each over {asked.connections} connections;"
            f" {shop.settings.shop_workers} workers, {shop.settings.shop_threads} threads.\n"
        )
        print(COLUMNS.format("request", "bare us", "shop us", "ratio", "spread", "aim", "SQL", "aim"), flush=True)
        for kind in kinds:
            figure = measure(kind, shop, load, bare, served, asked.rounds, asked.requests)
            figures.append(figure)
            print(_row(figure), flush=True)
            if asked.sql:
                print(*(f"    {statement}" for statement in figure.sql), sep="\n")
        if asked.json:
            _write(asked.json, shop.database.engine.dialect.name, asked, figures)
    return 0 if all(figure.meets_aims for figure in figures) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description="CPU and SQL of a request, beside a bare Flask app.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds for each kind of request (5)")
    parser.add_argument("--requests", type=int, default=400, help="requests to each server in a round (400)")
    parser.add_argument("--connections", type=int, default=4, help="kept-open connections (4)")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only kinds whose name has one of these words")
    parser.add_argument(
        "--postgres",
        nargs="?",
        const="",
        metavar="URL",
        help="on PostgreSQL instead of SQLite: on the server at URL, or on one started from the tests' package",
    )
    parser.add_argument(
        "--place", action="store_true", help="checkouts of one hot variant by 16 threads instead, on PostgreSQL"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--sql", action="store_true", help="print each statement")
    return parser


def _row(figure: Figure) -> str:
    ratios = figure.ratios
    row = COLUMNS.format(
        figure.kind,
        f"{median(figure.bare):.0f}",
        f"{median(figure.shop):.0f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f}-{max(ratios):.2f}",
        f"{figure.most_cpu:g}" if figure.most_cpu else "-",
        len(figure.sql),
        figure.most_statements,
    )
    return row if figure.meets_aims else f"{row}  missed"


def _write(path: Path, dialect: str, asked: argparse.Namespace, figures: list[Figure]) -> None:
    path.write_text(
        json.dumps(
            {
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "python": platform.python_version(),
                "database": dialect,
                "rounds": asked.rounds,
                "requests": asked.requests,
                "connections": asked.connections,
                "figures": [figure.as_json() for figure in figures],
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    raise SystemExit(main())
