"""Runs the migrations: on the connection it is handed, or on the database that the settings name.

`shop migrate` and the tests hand over a connection; the bare `alembic` command reads the settings.
"""

from alembic import context
from sqlalchemy import Connection

from shop import models


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=models.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


handed = context.config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    from shop.config import Settings
    from shop.db import Database
    from shop.schema import migrating

    database = Database.connect(Settings.load().database_url)
    with migrating(database) as own:
        run(own)
    database.close()
