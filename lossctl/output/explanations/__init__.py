"""How an explanation is shown and stored."""
