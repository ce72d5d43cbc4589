"""Home: what needs doing, and what came in."""

from flask import render_template

from shop.catalog.backroom import thin_stock
from shop.orders.reading import count_by_status, list_orders
from shop.payments.discrepancies import unsettled
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
        unsettled=unsettled(session) if may("books.see") and may("events.see") else None,
    )
