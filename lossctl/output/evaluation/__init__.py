"""How an evaluation is shown and stored."""
