"""What sessions ask a gateway for besides bets.

What lives here: accounts, control, exposure, arbitrage, price fan-out, plain GET pages, metrics.
What never does: sockets (gateway/net) or permissions (gateway/session).
"""
