"""The run over a plan: threads, the order of blocks, results."""
