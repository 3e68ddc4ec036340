"""Inputs on which losses are compared with their references, one module per family."""
