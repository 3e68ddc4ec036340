"""How does a number come about? A sequence of named steps shows it, from the inputs to the mean.

The steps of a loss are declared beside its kernel (:meth:`Loss.steps`); here are those that follow
them for any loss, and the comparison of two definitions.
"""
