"""Losses of distances between embeddings."""
