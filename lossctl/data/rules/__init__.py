"""What the numbers and shapes of an input must be."""
