"""What keeps the audit log as it was written, in each engine's own words. Its migration says the same."""

from sqlalchemy import DDL

_SQLITE = """\
CREATE TRIGGER audit_is_never_{act}d BEFORE {word} ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit log is only added to');
END"""

_STATEMENTS = {
    "sqlite": (_SQLITE.format(act="change", word="UPDATE"), _SQLITE.format(act="remove", word="DELETE")),
    "postgresql": (
        """\
CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """\
CREATE TRIGGER audit_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()""",
    ),
}
APPEND_ONLY = tuple(
    DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # SQLAlchemy's own is not told
    for dialect, statements in _STATEMENTS.items()
    for statement in statements
)
