"""Football: model, markets, board, calibration and exposure.

What lives here: score distributions and their kernels, market types and settlement rules of
football. What never does: margins, ladders and skew, which every sport shares.
"""
