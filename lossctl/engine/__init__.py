"""In what pieces, on which threads, and how are the pieces added up?"""
