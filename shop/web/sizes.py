"""How much a request may hold."""

from flask import Flask, request

# A plain form is parsed at once and as a whole, whatever is in it, so its length is what must be bounded. Only staff send
# files. A door that takes more or less says so itself.
READER_BYTES = 64 * 1024
STAFF_BYTES = 1024 * 1024


def protect(app: Flask) -> None:
    """Bound every request of `app`, before anything reads its form."""

    @app.before_request
    def _bound() -> None:
        if not request.path.startswith("/admin/"):
            request.max_content_length = READER_BYTES
        elif request.mimetype != "multipart/form-data":
            request.max_content_length = STAFF_BYTES
