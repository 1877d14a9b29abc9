"""Answer what sessions request besides bets.

What lives here: accounts, control, exposure, arbitrage, price fan-out, plain GET pages, metrics.
What never does: sockets (gateway/net) or permissions (gateway/session).
"""
