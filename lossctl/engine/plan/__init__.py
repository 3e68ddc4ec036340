"""What is to be computed, and in which blocks?"""
