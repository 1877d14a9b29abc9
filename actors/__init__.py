"""Processes round the engine: shells, supervisor, reconciler, and the calls between them.

What lives here: Ray (in cluster.py only), placement, restarts, routes, the journaled directory.
What never does: rules of betting or pricing, sockets to the outside.
"""
