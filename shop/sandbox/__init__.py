"""A local Stripe for keyless development: an app of its own, on its own port, for the unmodified `stripe` SDK.

    settings      what it needs to know           server        run it, or run it inside a test
    app           the Flask app, wired            account       one account: store, clock, deliveries, faults
    api           every API call's way through    routes, keys, versions   its endpoints, who may call, and how
    contract      requests against the SDK's parameter types, resources: answers against its resource types
    idempotency, lists, expansion                 what every endpoint has in common
    rules, line_rules, texts, metadata            what Stripe asks beyond types
    sessions, lines, products                     what is sold, and on which page
    payments, intents, methods, charges           how it is paid, with the events that this makes
    refunds, refundable, disputes, evidence, rulings, balance   what becomes of the money afterwards
    due           what time alone does            cards         Stripe's test cards
    page, sheet, forms, look                      the hosted payment page
    elsewhere, step                               the pages that a buyer is led to: 3-D Secure, PayNow, GrabPay
    offered, promotions                           ways to pay, and codes that take something off
    events, endpoints, owed, delivery             webhooks, signed, repeated until somebody answers 2xx
    faults        what goes wrong by choice       control, acting   what a buyer and a shop cannot do
    door, console the controls for programs and as a page

It imports nothing else of the shop, and the shop imports nothing of it but in the command line.
"""

from shop.sandbox.app import create_sandbox
from shop.sandbox.settings import SandboxSettings

__all__ = ["SandboxSettings", "create_sandbox"]
