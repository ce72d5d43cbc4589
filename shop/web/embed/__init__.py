"""The shop in an article: the loader, the frame, and the forms that the frame sends.

No cookie is read or set here. A frame may be framed by the publisher's hosts; what opens in the top window by nobody.
"""

from flask import Blueprint, Flask, Response, request

from shop.web.embed import beacon, buying, card, files, frame, oembed, waiting
from shop.web.embed.frames import Frames
from shop.web.headers import content_policy, frame_ancestors
from shop.web.house import House
from shop.web.languages import speak

# A form of the frame is a few hundred bytes; whatever is larger is no form of ours.
FORM_BYTES = 32 * 1024


def register(app: Flask) -> None:
    """Add the embed's addresses to `app`."""
    house_of_app: House = app.extensions["understory"]
    app.extensions["understory.embed"] = Frames(house_of_app.settings)
    app.extensions["understory.cards"] = card.Cards(house_of_app.settings)
    policy_of_top = content_policy(house_of_app.settings)
    policy_of_frame = content_policy(house_of_app.settings, frame_ancestors(house_of_app.settings))
    app.jinja_env.globals["frame_script"] = files.script_url
    door = Blueprint("embed", __name__)
    door.add_url_rule("/embed.js", view_func=files.loader)
    door.add_url_rule("/embed/<digest>/embed.js", view_func=files.pinned_loader)
    door.add_url_rule("/embed/frame.css", view_func=files.sheet)
    door.add_url_rule("/embed/frame.js", view_func=files.script)
    door.add_url_rule("/embed/frame", view_func=frame.show)
    door.add_url_rule("/embed/frame", view_func=frame.show_again, methods=["POST"])
    door.add_url_rule("/embed/card/<slug>.png", "card", card.show)
    door.add_url_rule("/oembed", "oembed", oembed.show)
    door.add_url_rule("/embed/cart", view_func=buying.add, methods=["POST"])
    door.add_url_rule("/embed/beacon", view_func=beacon.tell, methods=["POST"])
    door.add_url_rule("/embed/waitlist", view_func=waiting.ask, methods=["POST"])
    door.add_url_rule("/embed/waitlist/removal", view_func=waiting.remove, methods=["POST"])
    door.add_url_rule("/embed/checkout", view_func=buying.check_out, methods=["POST"])

    @door.before_request
    def _small_forms() -> None:
        request.max_content_length = request.max_form_memory_size = FORM_BYTES
        if request.path.startswith("/embed/") and request.endpoint != "embed.tell":
            speak((request.form if request.method == "POST" else request.args).get("lang", ""))

    @door.after_request
    def _framed(response: Response) -> Response:
        headers = response.headers
        if request.endpoint == "embed.check_out":
            headers.setdefault("Content-Security-Policy", policy_of_top)
        elif response.mimetype == "text/html":
            headers["Content-Security-Policy"] = policy_of_frame
            # A publisher's page may ask that whatever it embeds opts in to being embedded.
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers["Cross-Origin-Embedder-Policy"] = "require-corp"
            # In a sandbox the frame has no origin, so that its own answers are another site's. None holds a reader's secret
            # that the request did not bring along.
            headers["Access-Control-Allow-Origin"] = "*"
        headers.setdefault("Cache-Control", "no-store")
        return response

    app.register_blueprint(door)
