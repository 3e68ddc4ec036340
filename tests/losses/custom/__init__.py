"""Tests of custom losses."""
