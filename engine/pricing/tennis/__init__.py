"""Tennis: model, markets and calibration.

What lives here: chances from points to matches, market types and settlement rules of tennis.
What never does: margins, ladders and skew, which all sports share.
"""
