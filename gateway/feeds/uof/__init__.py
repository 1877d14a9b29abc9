"""The Unified Odds Feed.

What lives here: XML reading, typed messages, the market registry, odds and statuses, results,
producers and recoveries, model prices, a generator of messages.
What never does: I/O, except recovery_api.py, which the bridge runs.
"""
