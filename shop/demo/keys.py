"""What a demo keeps between two starts: its data folder, and the keys and the password that were made for it."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from shop.processes import CannotRun

KEEPSAKE: Final = "demo.json"
STAFF_EMAIL: Final = "owner@example.com"


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """Random, and good for this demo alone. The Stripe ones are for the local Stripe, which takes any of their form."""

    secret_key: str
    stripe_secret_key: str
    stripe_webhook_secret: str
    staff_email: str
    staff_password: str

    @classmethod
    def made(cls) -> "DemoKeys":
        return cls(
            secret_key=secrets.token_urlsafe(48),
            stripe_secret_key="sk_test_" + secrets.token_hex(24),
            stripe_webhook_secret="whsec_" + secrets.token_hex(24),
            staff_email=STAFF_EMAIL,
            staff_password="-".join(secrets.token_hex(2) for _ in range(4)),
        )


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that SHOP_DATA names, `var` where it names none."""
    return Path(environment.get("SHOP_DATA") or "var").absolute()


@contextmanager
def kept(folder: Path) -> Iterator[DemoKeys]:
    """The keys of the demo in `folder`, made if it is new, and the folder held for as long as the block lasts.

    Raises CannotRun for a folder that holds something else, since `forget` will empty it one day, and for one in which a
    demo runs already.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / KEEPSAKE
        if not path.exists():
            if any(folder.iterdir()):
                raise CannotRun(f"{folder} holds other files: set SHOP_DATA to a folder of the demo's own")
            _write(path, DemoKeys.made())
    except OSError as error:
        raise CannotRun(f"{folder} cannot be written to ({error.strerror}): see SHOP_DATA") from None
    with _held(path):
        try:
            keys = DemoKeys(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise CannotRun(f"{path} cannot be read: run `shop demo-reset` to begin anew") from None
        yield keys


def forget(folder: Path) -> bool:
    """Empty `folder` if it is a demo's, and say whether it was. Raises CannotRun while a demo runs in it."""
    path = folder / KEEPSAKE
    if not path.is_file():
        return False
    with _held(path):
        for entry in sorted(folder.iterdir(), key=lambda entry: entry == path):  # the mark goes last
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    return True


def _write(path: Path, keys: DemoKeys) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(keys), file, indent=2)
    try:
        path.hardlink_to(beside)  # of two first starts at once, one makes the keys
    except FileExistsError:
        pass
    finally:
        beside.unlink()


@contextmanager
def _held(path: Path) -> Iterator[None]:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(
                f"a demo runs in {path.parent} already: stop it, or set SHOP_DATA to another folder"
            ) from None
        yield
