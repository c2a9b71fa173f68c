"""Records in an SQL database."""
