"""How output files are written."""
