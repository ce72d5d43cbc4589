"""Counting the SQL statements that a piece of work sends, as the benchmark counts them."""

from bench.statements import statements

__all__ = ["statements"]
