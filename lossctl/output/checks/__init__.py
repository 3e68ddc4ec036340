"""How the result of a check is shown and stored."""
