"""What is asked of an evaluation?"""
