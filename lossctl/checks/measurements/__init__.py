"""What a check measures of a pair of files: nothing here judges it."""
