"""How does a number come about? Each loss tells its computation as a sequence of named steps.

A module for each family of losses holds functions that walk through one element of a loss: they
are attached to its declaration with :func:`~lossctl.losses.core.steps.steps`, and found by reading
all modules of this room. Nothing here is imported before an explanation is asked for.
"""
