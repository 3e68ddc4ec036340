"""How are the results of the blocks added up?"""
