"""How many checkouts a second one hot variant takes on PostgreSQL, beside the least that guards its stock at all.

The floor is what psycopg does by hand: one guarded UPDATE of the hot row and one INSERT, in a transaction. `place` is measured
twice: T1 alone, which is what holds the hot row, and as a whole, with the local Stripe's answer and T2.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import psycopg

from bench.floors import METADATA
from bench.premises import Premises
from shop.cart import handles
from shop.checkout.beginning import begin
from shop.checkout.place import place
from shop.payments.gateway import Gateway

THREADS = 16
LEAST = 0.5


def rates(shop: Premises, count: int, rounds: int) -> dict[str, list[float]]:
    """Checkouts a second of each kind, one number for each round; kinds take turns within a round."""
    gateway = Gateway(shop.settings)
    METADATA.create_all(shop.database.engine)
    url = shop.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO bench_stock VALUES (1, 100000000, 0) ON CONFLICT DO NOTHING")
    local = threading.local()
    opened = []

    def by_hand(_: int) -> None:
        if not hasattr(local, "connection"):
            local.connection = psycopg.connect(url)
            opened.append(local.connection)
        with local.connection.transaction():
            taken = local.connection.execute(
                "UPDATE bench_stock SET reserved = reserved + 1 WHERE id = 1 AND on_hand - reserved >= 1"
            )
            assert taken.rowcount == 1
            local.connection.execute("INSERT INTO bench_orders (stock_id, at) VALUES (1, %s)", (time.time(),))

    def first_transaction(cart_id: int) -> None:
        with shop.database.transaction() as session:
            begin(session, shop.settings, cart_id, None, "", livemode=False)

    def whole(cart_id: int) -> None:
        place(shop.database, gateway, shop.settings, cart_id)

    found: dict[str, list[float]] = {"by hand": [], "T1 of place": [], "place": []}
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(rounds):
            found["by hand"].append(_rate(pool, by_hand, list(range(count * 4))))
            found["T1 of place"].append(_rate(pool, first_transaction, _carts(shop, count)))
            found["place"].append(_rate(pool, whole, _carts(shop, count)))
    for connection in opened:
        connection.close()
    return found


def _carts(shop: Premises, count: int) -> list[int]:
    with shop.database.reading() as session:
        found = [handles.find_cart(session, handle) for handle in shop.carts(count)]
    return [cart_id for cart_id in found if cart_id is not None]


def _rate(pool: ThreadPoolExecutor, work: Callable[[int], None], given: list[int]) -> float:
    list(pool.map(work, given[:THREADS]))
    began = time.perf_counter()
    list(pool.map(work, given[THREADS:]))
    return (len(given) - THREADS) / (time.perf_counter() - began)


def report(found: dict[str, list[float]]) -> bool:
    """Print what was found. True if T1 reaches its part of the floor."""
    floor = median(found["by hand"])
    for name, each in found.items():
        print(f"{name:<14} {median(each):8.0f}/s  {median(each) / floor:5.2f} of the floor", flush=True)
    return median(found["T1 of place"]) >= LEAST * floor
