"""The schema's life: where the migrations lie, running them, and whether a database is up to date."""

from importlib.util import find_spec
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from shop.db import Database


def resource_folder(name: str) -> Path:
    """The folder `templates` or `migrations`: beside the package in a checkout, inside it in an installed wheel."""
    spec = find_spec("shop")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the folder {name} is missing from this installation")


def migrations_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resource_folder("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def migrate(database: Database, revision: str = "head") -> None:
    """Bring the database to `revision`. Owns its transactions: one for each migration."""
    config = migrations_config()
    with database.engine.execution_options(writes=True).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def is_current(database: Database) -> bool:
    """Whether every migration of this release has been run on the database."""
    head = ScriptDirectory.from_config(migrations_config()).get_current_head()
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head
