"""What several kernels need, in plain NumPy."""
