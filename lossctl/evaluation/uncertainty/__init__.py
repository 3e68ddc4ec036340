"""How uncertain is a number?"""
