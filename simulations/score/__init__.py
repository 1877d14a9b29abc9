"""Scores: what the models state, set against what matches that they were not made from brought.

What lives here: readers of public files of results and odds, one module for each sport that prices
every match and settles it by its result, and the tally that sets chances beside frequencies.
What never does: a price, a rule of settlement or a fit; the engine's own are scored.
"""
