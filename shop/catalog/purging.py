"""What caches in front of the shop must forget, written down in the transaction that makes it stale.

`shop.catalog.purge_sending` tells the caches, once the change is there to be read.
"""

from sqlalchemy.orm import Session

from shop.catalog.models import Purge


def purge(session: Session, *keys: str) -> None:
    """Have caches forget what carries one of these surrogate keys ("product-12", "article-5", "stories"). Never commits."""
    session.add(Purge(keys=list(dict.fromkeys(keys))))
