"""Who may do what: the one table. Views name a permission; docs and tests read the table, too.

A permission that is not in the table is nobody's, so a slip of the pen closes a door instead of opening one.
"""

from collections.abc import Collection, Mapping

from shop.staff.models import ROLES

PERMISSIONS: Mapping[str, frozenset[str]] = {
    "home.see": frozenset(ROLES),
    "products.see": frozenset(ROLES),
    "products.edit": frozenset({"owner", "merchandiser"}),
    "stock.see": frozenset({"owner", "merchandiser", "packer", "analyst"}),
    "stock.adjust": frozenset({"owner", "merchandiser"}),
    "orders.see": frozenset({"owner", "merchandiser", "packer", "analyst"}),
    "orders.ship": frozenset({"owner", "merchandiser", "packer"}),
    "orders.attend": frozenset({"owner", "merchandiser"}),
    "money.see": frozenset({"owner", "merchandiser", "analyst"}),
    "money.refund": frozenset({"owner", "merchandiser"}),
    "events.see": frozenset({"owner", "merchandiser", "analyst"}),
    "events.replay": frozenset({"owner", "merchandiser"}),
    "books.see": frozenset({"owner", "merchandiser", "analyst"}),
    "audit.see": frozenset({"owner", "analyst"}),
}


def may(roles: Collection[str], permission: str) -> bool:
    """Whether somebody with these roles has the permission."""
    return not PERMISSIONS.get(permission, frozenset()).isdisjoint(roles)
