"""Losses of overlap."""
