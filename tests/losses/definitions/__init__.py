"""Losses in arithmetic of several hundred digits."""
