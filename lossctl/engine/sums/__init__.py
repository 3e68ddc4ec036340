"""How are the pieces added up?"""
