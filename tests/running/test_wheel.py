"""The wheel in an empty virtual environment: a whole shop from another folder, with nothing of the working tree in reach."""

import re
import shutil
import signal
import sqlite3
from pathlib import Path

import requests

from tests.running.conftest import Demo, FirstStart
from tests.support.commands import KEYS, answers_nothing, environment, free_ports, run, running

PASSWORD = "correct-horse-battery"


def test_the_wheel_brings_a_whole_shop(first_start: FirstStart, demo: Demo, tmp_path: Path) -> None:
    """From no database to a served shop. The catalogue is the demo's, less one product that `shop seed` then draws anew."""
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    data = tmp_path / "var"
    settings = environment(**KEYS, SHOP_DATA=data, SHOP_PORT=port, SHOP_URL=url, SHOP_ADMIN_PASSWORD=PASSWORD)

    def shop(*words: str) -> str:
        ran = run(*words, env=settings, program=demo.program, cwd=tmp_path)
        assert (ran.status, ran.err) == (0, ""), ran
        return ran.out

    assert shop("migrate") == "The database is up to date.\n"
    assert shop("create-admin", "desk@example.com") == f"desk@example.com may log in at {url}/admin.\n"

    for name in ("shop.db", "shop.db-wal", "shop.db-shm"):
        (data / name).unlink(missing_ok=True)
    shutil.copy(demo.folder / "shop.db", data)
    shutil.copytree(demo.folder / "media", data / "media")
    with sqlite3.connect(data / "shop.db") as tables:
        tables.execute(
            "UPDATE variants SET sku = 'FORMER-' || sku WHERE product_id IN (SELECT id FROM products WHERE slug = 'inverted-pyramid-pin')"
        )
        tables.execute("UPDATE products SET slug = 'former-pin' WHERE slug = 'inverted-pyramid-pin'")
    assert shop("seed") == "1 products and 0 shipping zones added.\n"
    assert shop("seed") == "0 products and 0 shipping zones added.\n"
    assert shop("migrate") == "The database is up to date.\n"

    with running(
        "serve", "--with-worker", env=settings, log=tmp_path / "log", program=demo.program, cwd=tmp_path
    ) as served:
        served.answers(f"{url}/readyz")
        page = requests.get(f"{url}/products/inverted-pyramid-pin", timeout=60)
        assert page.status_code == 200
        assert "Inverted" in page.text
        linked = set(re.findall(r'(?:href|src)="(/[^"]+\.(?:css|js|svg|webp|avif|jpe?g|png)[^"]*)"', page.text))
        assert any("/static/" in path for path in linked), linked
        assert any("/media/" in path for path in linked), linked
        for path in {*linked, "/embed.js", "/admin/login", "/healthz"}:
            answer = requests.get(url + path, timeout=60)
            assert (answer.status_code, bool(answer.content)) == (200, True), path
        assert served.stop(signal.SIGTERM) == 0, served.said()
        assert served.nobody_is_left()
    assert "Traceback" not in served.said()
    assert answers_nothing(port)
