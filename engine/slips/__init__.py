"""Slips of several legs: their structure, their lines, and what they are owed.

Owns what a slip's lines are, the checks of a slip before anyone is asked, the exact arithmetic of
what its lines pay and of what its legs are charged, and each-way terms. Never owns an account's
slip (engine/ledger) or a market's bet (engine/market), and never does I/O.
"""
