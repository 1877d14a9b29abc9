"""The `overround` command.

What lives here: one file for each command: its arguments, its exit code, its error texts.
What never does: the work itself.
"""
