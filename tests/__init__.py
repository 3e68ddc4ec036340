"""Tests of lossctl."""
