"""The path of a bet through a gateway.

What lives here: reserve at the account, decide at the market, answer the bettor, send the verdict.
What never does: durable state; the reconciler finishes what a dead gateway left.
"""
