"""Who asks by a machine's name: search engines, previews, monitors, libraries. The list is crawler-user-agents'."""

from functools import lru_cache

import crawleruseragents  # type: ignore[import-untyped]

# Of a name that is longer, the rest says nothing more; strangers choose how long it is.
LONGEST_NAME = 400
# Browsers have few names; looking for fifteen hundred machines in one takes as long as the rest of a request.
_is_listed = lru_cache(maxsize=4096)(crawleruseragents.is_crawler)
_is_listed("Mozilla/5.0")  # its patterns are compiled now, not while the first reader waits


def is_crawler(user_agent: str) -> bool:
    """Whether a request with this User-Agent is a machine's. One that says nothing is: every browser has a name."""
    return not user_agent or _is_listed(user_agent[:LONGEST_NAME])
