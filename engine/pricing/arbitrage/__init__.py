"""Search for stakes on related markets that win at every score.

What lives here: the exact search over football markets.
What never does: changing odds; engine/pricing/fair_cap.py caps odds that a model made.
"""
