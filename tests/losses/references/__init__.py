"""What other libraries answer."""
