"""A product's pictures: add several, say what they show, put them in order, take one off."""

from flask import request
from werkzeug.datastructures import CombinedMultiDict
from werkzeug.wrappers import Response

from shop.catalog import editing
from shop.catalog.pictures import StoredPicture, store_picture
from shop.errors import BadImage, InvalidChange, NotFound, StaleEdit
from shop.web.admin.editor import Editor, watched
from shop.web.admin.forms import UploadForm, put
from shop.web.admin.gate import bp, needs, writing
from shop.web.admin.products import PRODUCT, Answer, back
from shop.web.house import end_reading, house

IMAGES = PRODUCT + "/images"
IMAGE = IMAGES + "/<int(max=2147483647):image_id>"
MOST_FILES = 10


@bp.post(IMAGES)
@needs("products.edit")
def add_images(product_id: int) -> Answer:
    editor = Editor(product_id)
    form = editor.upload = UploadForm(
        CombinedMultiDict([request.files, request.form]), prefix="upload", choices=editor.choices
    )
    if not form.validate():
        return editor.page(), 422
    try:
        stored = _stored(form)
        with writing() as session, watched(session, "product.pictures", editor.product):
            for picture in stored:
                editing.add_image(session, product_id, picture, form.alt.data or "", form.value.data or None)
    except InvalidChange as refused:
        put(form, refused, {"file": "files"})
        return editor.page(), 422
    said = "The picture is added." if len(stored) == 1 else f"{len(stored)} pictures are added."
    return back(product_id, said, "pictures")


def _stored(form: UploadForm) -> list[StoredPicture]:
    """Every chosen file, written in its sizes; nothing of the product changes before all of them proved to be pictures."""
    files = form.chosen()
    if not files:
        raise InvalidChange("files", "Choose a picture first.")
    if len(files) > MOST_FILES:
        raise InvalidChange("files", f"At most {MOST_FILES} pictures at once.")
    end_reading()
    stored: list[StoredPicture] = []
    for file in files:
        try:
            stored.append(store_picture(house().settings.media_folder, file.read()))
        except BadImage as refused:
            raise InvalidChange("files", f"{file.filename}: {refused}") from None
    return stored


@bp.post(IMAGE)
@needs("products.edit")
def change_image(product_id: int, image_id: int) -> Answer:
    editor = _editor(product_id, image_id)
    form = editor.image_forms[image_id] = editor.image_form(image_id, request.form)
    if not form.validate():
        return editor.page(), 422
    try:
        with writing() as session, watched(session, "product.pictures", editor.product):
            editing.change_image(session, image_id, form.alt.data or "", form.value.data or None, editor.version)
    except InvalidChange as refused:
        put(form, refused)
        return editor.page(), 422
    except StaleEdit as stale:
        return editor.overtaken(str(stale))
    return back(product_id, "The picture is saved.", "pictures")


@bp.post(IMAGE + "/place")
@needs("products.edit")
def move_image(product_id: int, image_id: int) -> Response:
    editor = _editor(product_id, image_id)
    steps = -1 if request.form.get("towards") == "front" else 1
    with writing() as session, watched(session, "product.pictures", editor.product):
        editing.move_image(session, image_id, steps)
    return back(product_id, "The picture is moved.", "pictures")


@bp.post(IMAGE + "/removal")
@needs("products.edit")
def remove_image(product_id: int, image_id: int) -> Response:
    editor = _editor(product_id, image_id)
    with writing() as session, watched(session, "product.pictures", editor.product):
        editing.remove_image(session, image_id)
    return back(product_id, "The picture is removed.", "pictures")


def _editor(product_id: int, image_id: int) -> Editor:
    editor = Editor(product_id)
    if all(image.id != image_id for image in editor.product.images):
        raise NotFound("picture")
    return editor
