"""How gradients are shown and stored."""
