"""Products: the list, a new one, and the editor with its forms for texts, status, options and variants."""

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from shop.catalog import editing
from shop.catalog.backroom import count_products, id_of, list_products, portrait
from shop.catalog.models import PRODUCT_STATUSES
from shop.errors import InvalidChange, StaleEdit
from shop.staff import audit
from shop.web.admin.asked import one_of, words
from shop.web.admin.editor import Editor, watched
from shop.web.admin.forms import NewProductForm, ProductForm, option_rows, options_meant, put
from shop.web.admin.gate import actor, bp, needs, writing
from shop.web.house import house, reading

Answer = Response | tuple[str, int]
PRODUCT = "/products/<int(max=2147483647):product_id>"
STATUS_VERBS = {"active": editing.publish, "archived": editing.archive, "draft": editing.to_draft}
STATUS_WORDS = {"active": "Published.", "archived": "Archived: off sale.", "draft": "Off sale, back to a draft."}


@bp.get("/products")
@needs("products.see")
def products() -> str:
    session = reading()
    search, status = words("q"), one_of("status", frozenset(PRODUCT_STATUSES))
    page = list_products(session, search, status or None, request.args.get("after"))
    return render_template(
        "admin/products.html", page=page, search=search, status=status, counts=count_products(session)
    )


@bp.get("/products/new")
@needs("products.edit")
def new_product() -> str:
    return render_template("admin/new_product.html", form=NewProductForm(currency=house().settings.shop_currency))


@bp.post("/products")
@needs("products.edit")
def create_product() -> Answer:
    currency = house().settings.shop_currency
    form = NewProductForm(request.form, currency=currency)
    if not form.validate():
        return render_template("admin/new_product.html", form=form), 422
    title, slug = form.title.data or "", (form.slug.data or "").strip()
    try:
        with writing() as session:
            product = editing.create_product(
                session, editing.ProductFields(slug or editing.slug_from(title), title, currency)
            )
            editing.add_variant(session, product.id, price_minor=form.price_minor, sku=form.sku.data or "")
            changes = audit.difference({}, portrait(session, product.id))
            audit.record(session, actor(), "product.create", f"product {product.slug}", changes)
    except InvalidChange as refused:
        put(form, refused)
        return render_template("admin/new_product.html", form=form), 422
    flash("A draft was made. Readers see it once it is published.", "good")
    return redirect(url_for("admin.product", product_id=product.id), 303)


@bp.get(PRODUCT)
@needs("products.see")
def product(product_id: int) -> str:
    return Editor(product_id).page()


@bp.post(PRODUCT)
@needs("products.edit")
def edit_product(product_id: int) -> Answer:
    editor = Editor(product_id)
    form = editor.details = ProductForm(request.form)
    if not form.validate():
        return editor.page(), 422
    successor = (form.successor.data or "").strip()
    successor_id = id_of(reading(), successor) if successor else None
    if successor and successor_id is None:
        put(form, InvalidChange("successor", "No product has this address."))
        return editor.page(), 422
    fields = editing.ProductFields(
        slug=form.slug.data or "",
        title=form.title.data or "",
        currency=editor.product.currency,
        tagline=form.tagline.data or "",
        description=form.description.data or "",
        publish_at=form.publish_at.data,
        unpublish_at=form.unpublish_at.data,
        successor_id=successor_id,
    )
    try:
        with writing() as session, watched(session, "product.edit", editor.product):
            editing.edit_product(session, product_id, editor.version, fields)
    except InvalidChange as refused:
        put(form, refused, {"successor_id": "successor"})
        return editor.page(), 422
    except StaleEdit as stale:
        return editor.overtaken(str(stale))
    return back(product_id, "Saved.", "details")


@bp.post(PRODUCT + "/status")
@needs("products.edit")
def set_status(product_id: int) -> Answer:
    editor = Editor(product_id)
    wanted = request.form.get("status", "")
    if wanted not in STATUS_VERBS:
        editor.status_error = "Choose one of the buttons."
        return editor.page(), 422
    try:
        with writing() as session, watched(session, f"product.{wanted}", editor.product):
            STATUS_VERBS[wanted](session, product_id, editor.version)
    except InvalidChange as refused:
        editor.status_error = str(refused)
        return editor.page(), 422
    except StaleEdit as stale:
        return editor.overtaken(str(stale))
    return back(product_id, STATUS_WORDS[wanted], "")


@bp.post(PRODUCT + "/options")
@needs("products.edit")
def set_options(product_id: int) -> Answer:
    editor = Editor(product_id)
    editor.options = option_rows(request.form, editor.product)
    try:
        with writing() as session, watched(session, "product.options", editor.product):
            editing.set_options(session, product_id, options_meant(editor.options), editor.version)
    except InvalidChange as refused:
        editor.options_error = str(refused)
        return editor.page(), 422
    except StaleEdit as stale:
        return editor.overtaken(str(stale))
    return back(product_id, "The options are saved, and every combination has its variant.", "variants")


@bp.post(PRODUCT + "/variants")
@needs("products.edit")
def edit_variants(product_id: int) -> Answer:
    editor = Editor(product_id)
    editor.variants = editor.rows(request.form)
    sent = [form for form in editor.variants if form.sku.name in request.form]
    if [form for form in sent if not form.validate()]:  # each row gets its messages, not only the first wrong one
        return editor.page(), 422
    try:
        with writing() as session, watched(session, "product.variants", editor.product):
            editing.edit_variants(session, product_id, editor.version, [form.fields() for form in sent])
    except InvalidChange as refused:
        variant_id, _, field = refused.field.partition(".")
        named = next(form for form in sent if str(form.variant.id) == variant_id)
        put(named, InvalidChange(field, str(refused)))
        return editor.page(), 422
    except StaleEdit as stale:
        return editor.overtaken(str(stale))
    return back(product_id, "The variants are saved.", "variants")


@bp.post(PRODUCT + "/prices")
@needs("products.edit")
def set_prices(product_id: int) -> Answer:
    editor = Editor(product_id)
    form = editor.price = editor.one_price(request.form)
    if not form.validate():
        return editor.page(), 422
    try:
        with writing() as session, watched(session, "product.variants", editor.product):
            editing.set_prices(session, product_id, editor.version, form.price_minor)
    except StaleEdit as stale:
        return editor.overtaken(str(stale))
    return back(product_id, "Every variant has this price now.", "variants")


def back(product_id: int, said: str, anchor: str) -> Response:
    """Lead back to a part of the editor, which says what was done there: the top of the page may be out of sight."""
    flash(said, f"good {anchor}".strip())
    return redirect(url_for("admin.product", product_id=product_id, _anchor=anchor or None), 303)
