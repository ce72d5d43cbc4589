"""The clock of what stands under which story: it moves with each change, in the transaction of the change."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from shop.catalog.models import CatalogueClock


def touch_stories(session: Session) -> None:
    """Tell every process that something else may stand under stories from now on. Never commits.

    Takes the clock's row until the transaction ends, so a verb that locks other rows too does this last.
    """
    session.flush()
    session.execute(
        update(CatalogueClock).values(stories=CatalogueClock.stories + 1).execution_options(synchronize_session=False)
    )
