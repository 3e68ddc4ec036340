"""What a check measures of a pair of files: nothing here says what is wrong with it."""
