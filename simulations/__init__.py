"""The engine headless: matches, crowds, audits and studies without sockets.

What lives here: timelines, bettors, a trader, expected payouts, notebooks.
What never does: Ray, sockets, production services.
"""
