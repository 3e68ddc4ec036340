"""Losses that score a whole prediction."""
