"""Gradients: a work function over the same blocks."""
