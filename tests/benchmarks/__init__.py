"""lossctl beside other libraries: ``python -m tests.benchmarks`` writes a table and plots."""
