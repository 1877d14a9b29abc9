"""Basketball: model and markets.

What lives here: leads that are pulled back, totals, overtime, calibration, markets, settlement.
What never does: margins, ladders and skew, which all sports share.
"""
