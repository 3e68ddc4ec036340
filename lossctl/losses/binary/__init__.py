"""Losses of a probability or a logit against a label of two classes."""
