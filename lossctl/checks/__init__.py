"""What is wrong with a pair of files? Facts, findings and baselines of one scan; no printing."""
