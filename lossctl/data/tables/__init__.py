"""Columns of tables, read in one scan."""
