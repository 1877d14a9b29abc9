"""Bet builders of a football fixture: several outcomes that must all win, priced jointly.

Owns nothing itself; each module states what it owns.
"""
