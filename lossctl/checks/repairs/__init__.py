"""How what a check found is repaired."""
