"""In which blocks, on which threads, and how are the results of the blocks added up?"""
