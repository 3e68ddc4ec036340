"""Arrays of any origin as sources: what a row range of one is."""
