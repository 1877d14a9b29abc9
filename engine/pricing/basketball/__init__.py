"""Basketball: model and markets.

What lives here: lead and total as Brownian motion, overtime, market types and settlement rules.
What never does: margins, ladders and skew, which all sports share.
"""
