"""Feeds: providers' messages turned into market updates, delivered at least once, applied once.

What lives here: core (any feed), uof and exchange (one format each), bridge (outside the system).
What never does: durable state; markets remember how far they have followed each feed.
"""
