"""Columns of tables, in one scan of all that are read."""
