"""Simulated matches, bettors, audits and studies in one process, without sockets.

What lives here: timelines, bettors, a trader, expected payouts, scores of models, notebooks.
What never does: Ray, sockets, production services.
"""
