"""Staff accounts: making one, and giving it a new password.

Passwords are argon2id hashes with the library's own parameters (RFC 9106, the low-memory profile), salted by argon2 itself
and without a secret of the shop's mixed in: secrets are rolled, and a roll must not lock every member of staff out.
Flask-Security verifies the very same form (`SECURITY_PASSWORD_SINGLE_HASH`).
"""

import secrets
import unicodedata
from collections.abc import Sequence
from typing import Any

import email_validator
from argon2 import PasswordHasher
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from shop.db import Database, insert_once, now
from shop.errors import InvalidChange, NotFound
from shop.staff.models import ROLES, Role, StaffUser, staff_roles

MIN_PASSWORD = 12
MAX_PASSWORD = 128
# Addresses are names of accounts here; nobody's mail server is asked, and an intranet's own domain is fine.
ADDRESS_RULES: dict[str, Any] = {"globally_deliverable": False, "check_deliverability": False}


def create_admin(database: Database, email: str, password: str) -> None:
    """Make an account with the owner's role. One transaction of its own.

    Raises InvalidChange("email" | "password", ...): a malformed address, one that has an account, a password too short.
    """
    with database.transaction() as session:
        add_staff(session, email, password, ["owner"])


def add_staff(session: Session, email: str, password: str, roles: Sequence[str]) -> StaffUser:
    """Make an account with these roles (keys of ROLES). Never commits. Raises InvalidChange as `create_admin` does."""
    address = checked_address(email)
    hashed = _hashed(password, address)
    for role in roles:
        if role not in ROLES:
            raise InvalidChange("roles", f"There is no role {role}.")
    seed_roles(session)
    made = insert_once(
        session, StaffUser, {"email": address, "password": hashed, "active": True, "fs_uniquifier": _uniquifier()}
    )
    if not made:
        raise InvalidChange("email", "This address has an account already.")
    user = session.scalars(select(StaffUser).where(StaffUser.email == address)).one()
    give_roles(session, user.id, roles)
    session.refresh(user)
    return user


def give_roles(session: Session, user_id: int, roles: Sequence[str]) -> None:
    """Let an account have exactly these roles. Never commits."""
    session.execute(delete(staff_roles).where(staff_roles.c.user_id == user_id))
    for role_id in session.scalars(select(Role.id).where(Role.name.in_(roles))).all():
        session.execute(staff_roles.insert().values(user_id=user_id, role_id=role_id))
    session.flush()


def set_password(database: Database, email: str, password: str) -> None:
    """Give an account a new password and end every session it has. One transaction of its own.

    Raises NotFound, and InvalidChange("password", ...) for one too short.
    """
    with database.transaction() as session:
        user = session.scalars(
            select(StaffUser).where(func.lower(StaffUser.email) == checked_address(email))
        ).one_or_none()
        if user is None:
            raise NotFound("account")
        user.password = _hashed(password, user.email)
        user.fs_uniquifier = _uniquifier()  # what sessions carry; the old ones lead nowhere now


def addresses_to_alert(session: Session) -> tuple[tuple[int, str], ...]:
    """Account ids and addresses of the active staff who look after money: owners and merchandisers. One statement."""
    rows = session.execute(
        select(StaffUser.id, StaffUser.email)
        .where(StaffUser.active, StaffUser.roles.any(Role.name.in_(("owner", "merchandiser"))))
        .order_by(StaffUser.id)
    )
    return tuple((row.id, row.email) for row in rows)


def seed_roles(session: Session) -> None:
    """Put the roles of ROLES into the database where they are missing."""
    for name, description in ROLES.items():
        insert_once(session, Role, {"name": name, "description": description})


def checked_address(email: str) -> str:
    """The e-mail address in lower case. Raises InvalidChange("email", ...)."""
    try:
        return str(email_validator.validate_email(email.strip(), **ADDRESS_RULES).normalized).lower()
    except email_validator.EmailNotValidError:
        raise InvalidChange("email", "Write an e-mail address such as desk@example.com.") from None


def _hashed(password: str, address: str) -> str:
    plain = unicodedata.normalize("NFKD", password)  # as the login does with what is typed there
    if len(plain) < MIN_PASSWORD:
        raise InvalidChange("password", f"A password has at least {MIN_PASSWORD} characters.")
    if len(plain) > MAX_PASSWORD:
        raise InvalidChange("password", f"A password has at most {MAX_PASSWORD} characters.")
    if plain.lower() == address:
        raise InvalidChange("password", "The password must not be the e-mail address.")
    return PasswordHasher().hash(plain)


def _uniquifier() -> str:
    return secrets.token_hex(32)


def note_login(session: Session, user_id: int, address: str) -> None:
    """Remember when, how often and from which network address somebody logged in. Never commits."""
    user = session.get_one(StaffUser, user_id)
    user.last_login_at, user.current_login_at = user.current_login_at, now()
    user.last_login_ip, user.current_login_ip = user.current_login_ip, address[:64]
    user.login_count = (user.login_count or 0) + 1
