"""Into what slices are the rows grouped?"""
