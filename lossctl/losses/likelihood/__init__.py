"""Negative log-likelihoods and divergences."""
