"""Deviances of predicted means."""
