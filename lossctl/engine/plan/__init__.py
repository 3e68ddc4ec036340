"""What is to be computed, and in what pieces?"""
