"""How each format of files is read."""
