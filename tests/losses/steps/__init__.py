"""How the steps that losses tell are recomputed."""
