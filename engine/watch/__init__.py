"""Detectors that watch bets, odds, books and feeds, and the rules that a trader sets over them.

Pure: facts come in time order as arguments, findings go out. Floats here are statistics; none of
them becomes money or odds.
"""
