"""Which rows are evaluated?"""
