"""The rules of the game as deterministic state machines: commands in, events out.

What lives here: markets, ledger, settlement, pricing, and the rows and commands they exchange.
What never does: I/O, clocks, randomness, Ray, sockets.
"""
