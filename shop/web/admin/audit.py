"""The audit trail, newest first."""

from flask import render_template, request

from shop.staff.audit import list_entries
from shop.web.admin.asked import words
from shop.web.admin.gate import bp, needs
from shop.web.house import reading

# The verbs that are written into the trail, as people say them.
WORDS = {
    "login": "Logged in",
    "product.create": "Made a product",
    "product.edit": "Changed texts or times",
    "product.active": "Published",
    "product.archived": "Archived",
    "product.draft": "Took off sale",
    "product.options": "Changed options",
    "product.variants": "Changed variants",
    "product.pictures": "Changed pictures",
    "stock.adjust": "Changed the stock",
    "order.ship": "Shipped",
}


@bp.get("/audit")
@needs("audit.see")
def audit() -> str:
    subject = words("subject", 120)
    page = list_entries(reading(), subject=subject, after=request.args.get("after"))
    return render_template("admin/audit.html", page=page, subject=subject, action_words=WORDS)
