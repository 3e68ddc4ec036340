"""Tests of what is shown and stored."""
