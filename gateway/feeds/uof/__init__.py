"""The Unified Odds Feed.

What lives here: XML parsing, typed messages, market registry, producers, results, model prices, a
generator.
What never does: I/O, except recovery_api.py, which the bridge runs.
"""
