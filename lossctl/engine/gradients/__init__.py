"""Gradients, computed by a work function on the same blocks."""
