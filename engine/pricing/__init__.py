"""Probabilities, margins and odds: the only floating-point code of the engine.

What lives here: sports and their models, margin, skew, ladder, quoting, repricing, following a
feed.
What never does: accepting bets or journaling; only quantised odds leave this folder.
"""
