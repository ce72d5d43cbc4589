"""What caches in front of the shop must forget, written down in the transaction that makes it stale.

`shop.catalog.purge_sending` tells the caches, once the change is there to be read.
"""

from datetime import timedelta

from sqlalchemy.orm import Session

from shop.catalog.models import Purge
from shop.db import now

# By then every process of the shop has seen the change and answers accordingly (`shop.web.kept_answers`). A cache that was told
# sooner could fetch what it has just forgotten from a process that does not know yet.
AFTER = timedelta(seconds=2)


def purge(session: Session, *keys: str) -> None:
    """Have caches forget what carries one of these surrogate keys ("product-12", "article-5", "stories"). Never commits."""
    session.add(Purge(keys=list(dict.fromkeys(keys)), due_at=now() + AFTER))
