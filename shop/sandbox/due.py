"""What time alone does, by the sandbox's clock: pages expire, refunds arrive, disputes are lost unanswered."""

from shop.sandbox import refunds, rulings, sessions
from shop.sandbox.store import Transaction


def pass_by(tx: Transaction) -> None:
    sessions.expire_due(tx)
    refunds.settle_due(tx)
    rulings.settle_due(tx)
