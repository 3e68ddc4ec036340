"""Losses that ask for a margin."""
