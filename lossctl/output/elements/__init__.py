"""How per-element losses are shown and stored."""
