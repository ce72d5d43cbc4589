"""Understory, the shop under the story: merchandise under a newsroom's articles.

The map of the house, from the street inwards:

- `app`       puts the house together (`create_app`) and does nothing else; `cli` is the `shop` command.
- `web`       the doors: `storefront` and `embed` for readers, `admin` for staff, `webhooks` for Stripe.
- `tasks`     the work queue's thin tasks.
- `checkout`  the verbs that move money and stock together: place, settle, sweep, ship.
- `orders`, `payments`, `cart`, `articles`, `fulfilment`, `mail`, `staff`  the rooms those verbs work in.
- `catalog`   products, variants, pictures and the stock ledger.
- `db`, `money`, `config`, `errors`, `languages`  the foundations.
- `sandbox`   a local Stripe, `demo` a newsroom and a catalogue to try the shop with; neither serves production.

docs/architecture.md tells why, docs/invariants.md what always holds.
"""

__version__ = "0.1.0"
