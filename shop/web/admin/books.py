"""The books: what the nightly comparison with Stripe has found."""

from flask import render_template

from shop.checkout.runs import latest_runs, open_discrepancies
from shop.web.admin.gate import bp, needs
from shop.web.house import reading


@bp.get("/books")
@needs("books.see")
def books() -> str:
    session = reading()
    return render_template("admin/books.html", runs=latest_runs(session), discrepancies=open_discrepancies(session))
