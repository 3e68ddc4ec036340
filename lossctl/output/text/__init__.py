"""Tables, progress and messages on a terminal or a pipe."""
