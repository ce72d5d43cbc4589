"""The least that does the work at all: what the shop's webhook and its checkout are measured against."""

import hashlib
import hmac
import json
import os
import time

import sqlalchemy as sa
from flask import Flask, request

from shop.db import engine_options, prepare

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "bench_events",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("stripe_id", sa.String(255), unique=True, nullable=False),
    sa.Column("type", sa.String(80), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)
STOCK = sa.Table(
    "bench_stock",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("on_hand", sa.Integer, nullable=False),
    sa.Column("reserved", sa.Integer, nullable=False),
)
ORDERS = sa.Table(
    "bench_orders",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("stock_id", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)


def add_webhook(app: Flask) -> None:
    """A view that checks the HMAC of a Stripe event and inserts one row, by SQLAlchemy Core on the shop's database.

    As a sensible person writes it: the body is parsed for the columns, a second delivery is refused by the unique key, and
    the engine is the shop's, with its pool and pragmas.
    """
    engine = prepare(sa.create_engine(**engine_options(os.environ["SHOP_DATABASE_URL"]))).execution_options(writes=True)
    app.extensions["engine"] = engine
    secret = os.environ["STRIPE_WEBHOOK_SECRET"].encode()

    @app.post("/webhooks/stripe")
    def event() -> tuple[dict[str, bool], int]:
        body = request.get_data()
        signed = dict(part.split("=", 1) for part in request.headers["Stripe-Signature"].split(","))
        expected = hmac.new(secret, signed["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signed["v1"]) or time.time() - int(signed["t"]) > 300:
            return {"received": False}, 400
        told = json.loads(body)
        row = {"stripe_id": told["id"], "type": told["type"], "payload": body.decode()}
        with engine.begin() as connection:
            connection.execute(sa.insert(EVENTS), row)
        return {"received": True}, 200
