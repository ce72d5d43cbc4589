"""A wire between the shop and the local Stripe that keeps what the shop sends over it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

import requests
from flask import Flask, Response, request

from tests.support.serving import serving

# Of one connection, not of the request that comes over it.
HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "content-encoding"}


@dataclass
class Wire:
    """What was sent: as `sent`, decoded, without the header that carries the key; and each value of that header."""

    url: str = ""
    sent: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)


@contextmanager
def a_wire_to(stripe_url: str) -> Iterator[Wire]:
    """An address that stands for Stripe's and hands on what comes. Nobody answering there is handed on, too."""
    wire = Wire()
    app = Flask("wire", static_folder=None)

    @app.route("/", defaults={"path": ""}, methods=["GET", "POST", "DELETE"])
    @app.route("/<path:path>", methods=["GET", "POST", "DELETE"])
    def hand_on(path: str) -> Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        wire.keys.add(headers.get("Authorization", ""))
        shown = [f"{name}: {value}" for name, value in headers.items() if name != "Authorization"]
        body = request.get_data()
        wire.sent.append(unquote_plus("\n".join([request.full_path, *shown, body.decode("utf-8", "replace")])))
        try:
            answer = requests.request(
                request.method, f"{stripe_url}{request.full_path}", headers=headers, data=body, timeout=30
            )
        except requests.ConnectionError:
            return Response("", status=503)
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP]
        return Response(answer.content, status=answer.status_code, headers=kept)

    with serving(app) as served:
        wire.url = served.url
        yield wire
