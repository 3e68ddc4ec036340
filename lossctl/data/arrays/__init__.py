"""Arrays of any origin behind one interface: a source, read by row ranges."""
