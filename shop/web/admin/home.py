"""Home: what needs doing, and what came in."""

from flask import render_template

from shop.catalog.backroom import thin_stock
from shop.checkout.runs import open_discrepancies
from shop.orders.reading import count_by_status, list_orders
from shop.payments.inbox import count_events
from shop.web.admin.gate import bp, may, needs
from shop.web.house import reading


@bp.get("/")
@needs("home.see")
def home() -> str:
    session = reading()
    sees_orders = may("orders.see")
    return render_template(
        "admin/home.html",
        counts=count_by_status(session) if sees_orders else {},
        recent=list_orders(session, limit=8).orders if sees_orders else (),
        thin=thin_stock(session) if may("stock.see") else None,
        failed=count_events(session).get("failed", 0) if may("events.see") else 0,
        different=len(open_discrepancies(session)) if may("books.see") else 0,
    )
