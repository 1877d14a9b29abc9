"""Replay of a recording: a feed traded again, from its first message to closed books.

What lives here: the run, its bettors and its view.
What never does: reading a feed's format (gateway/feeds).
"""
