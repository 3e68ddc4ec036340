"""On which threads, and in what order?"""
