"""Losses that lossctl did not bring: in a file of the user's, a session, an installed package."""
