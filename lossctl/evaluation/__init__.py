"""What do the losses say about the dataset?"""
