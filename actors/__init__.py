"""Processes round the engine: shells, supervisor, reconciler, and the calls between them.

Owns Ray (in cluster.py only), placement, restarts, routes and the journaled directory. Never holds
rules of betting or pricing, or sockets to the outside.
"""
