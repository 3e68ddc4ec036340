"""What the tests hold of the losses of the family margin."""
