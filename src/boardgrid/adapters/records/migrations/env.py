"""What Alembic runs: the caller's connection, inside the caller's transaction."""

from alembic import context

from boardgrid.adapters.records.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by writing it anew
    transactional_ddl=True,
)
context.run_migrations()
