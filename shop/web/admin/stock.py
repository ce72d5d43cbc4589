"""A variant's stock: its ledger, and the form that adds a line to it."""

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shop.catalog import stock as shelf
from shop.catalog.backroom import ledger
from shop.errors import InvalidChange
from shop.staff import audit
from shop.web.admin.forms import StockForm, put
from shop.web.admin.gate import actor, bp, needs, writing
from shop.web.house import reading

VARIANT = "/variants/<int(max=2147483647):variant_id>/stock"


@bp.get(VARIANT)
@needs("stock.see")
def stock(variant_id: int) -> str:
    return _page(variant_id, StockForm())


@bp.post(VARIANT)
@needs("stock.adjust")
def adjust_stock(variant_id: int) -> Response | tuple[str, int]:
    form = StockForm(request.form)
    pieces = form.pieces.data
    if not form.validate() or pieces is None:
        return _page(variant_id, form), 422
    try:
        with writing() as session:
            before = ledger(session, variant_id, limit=1)
            on_hand = shelf.adjust(session, variant_id, pieces, form.reason.data, actor(), kind=form.kind.data)
            audit.record(
                session,
                actor(),
                "stock.adjust",
                f"variant {before.sku}",
                {"on hand": (on_hand - pieces, on_hand), "reason": (None, form.reason.data.strip())},
            )
    except InvalidChange as refused:
        put(form, refused)
        return _page(variant_id, form), 422
    flash(f"{on_hand} on hand now.", "good")
    return redirect(url_for("admin.stock", variant_id=variant_id), 303)


def _page(variant_id: int, form: StockForm) -> str:
    return render_template(
        "admin/stock.html", ledger=ledger(reading(), variant_id, before=request.args.get("before")), form=form
    )
