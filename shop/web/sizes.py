"""How much a request may hold."""

from flask import Flask, request
from flask_security import current_user

# A plain form is parsed at once and as a whole, whatever is in it, so its length is what must be bounded. Only staff send
# files, and only those who are logged in: a stranger's upload is not even taken in. A door that takes more or less says so itself.
READER_BYTES = 64 * 1024
STAFF_BYTES = 1024 * 1024


def protect(app: Flask) -> None:
    """Bound every request of `app`, before anything reads its form."""

    @app.before_request
    def _bound() -> None:
        if not request.path.startswith("/admin/"):
            request.max_content_length = READER_BYTES
        elif request.mimetype != "multipart/form-data" or not current_user.is_authenticated:
            request.max_content_length = STAFF_BYTES
