"""The one room that knows Stripe: the gateway to its API, the attempts to be paid, and the inbox of its webhooks."""
