"""What the tests share: a PostgreSQL server, builders, and a count of statements."""
