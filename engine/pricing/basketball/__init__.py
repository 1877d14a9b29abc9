"""Basketball: model and markets.

What lives here: lead and total as Brownian motion, overtime, settlement rules of basketball.
What never does: margins, ladders and skew, which every sport shares.
"""
