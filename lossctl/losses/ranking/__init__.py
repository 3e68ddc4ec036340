"""Losses of the order of lists."""
