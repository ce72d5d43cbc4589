"""CPU for a request, in rounds that alternate between the bare app and the shop; and SQL statements for a request."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.asks import Kind
from bench.load import Ask, Load, Wrong
from bench.premises import Premises
from bench.servers import Server
from bench.statements import statements

WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """What a kind of request costs. CPU in microseconds a request, one number for each round; `sql` in order."""

    kind: str
    bare: tuple[float, ...]
    shop: tuple[float, ...]
    sql: tuple[str, ...]
    most_cpu: float | None
    most_statements: int

    @property
    def ratios(self) -> list[float]:
        """The shop's CPU in times the bare app's of the same round: what else the machine does weighs on both alike."""
        return [shop / bare for shop, bare in zip(self.shop, self.bare, strict=True)]

    @property
    def meets_aims(self) -> bool:
        return len(self.sql) <= self.most_statements and (self.most_cpu is None or median(self.ratios) <= self.most_cpu)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": median(self.ratios), "statements": len(self.sql)}


def measure(kind: Kind, shop: Premises, load: Load, bare: Server, served: Server, rounds: int, count: int) -> Figure:
    """Measure one kind, with `count` requests to each server in each round. Raises Wrong for an unexpected answer."""
    sql = sql_of(kind, shop)
    hello = [Ask("GET", "/", 200)] * count
    warm_up = kind.make(shop, WARM_UP)
    load.send(served.port, warm_up)
    load.send(bare.port, warm_up if kind.bare_too else hello[:WARM_UP])
    of_bare, of_shop = [], []
    for _ in range(rounds):
        asks = kind.make(shop, count)
        of_bare.append(_cpu_for(load, bare, asks if kind.bare_too else hello))
        of_shop.append(_cpu_for(load, served, asks))
    return Figure(kind.name, tuple(of_bare), tuple(of_shop), sql, kind.most_cpu, kind.most_statements)


def _cpu_for(load: Load, server: Server, asks: list[Ask]) -> float:
    before = server.cpu()
    load.send(server.port, asks)
    return (server.cpu() - before) / len(asks) * 1e6


def sql_of(kind: Kind, shop: Premises) -> tuple[str, ...]:
    """The statements of one such request in this process, once everything is known that is kept between requests."""
    first, second = kind.make(shop, 2)
    _answer(shop, first)
    with statements(shop.app.extensions["understory"].database.engine) as sent:
        _answer(shop, second)
    return tuple(" ".join(statement.split()) for statement in sent)


def _answer(shop: Premises, ask: Ask) -> None:
    client = shop.app.test_client(use_cookies=False)
    answer = client.open(ask.path, method=ask.method, headers=ask.headers, data=ask.body)
    if answer.status_code != ask.status:
        raise Wrong(f"{ask.method} {ask.path}: {answer.status_code} instead of {ask.status}: {answer.text[:400]}")
