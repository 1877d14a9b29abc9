"""The market machine: decide bets, keep liability, settle.

What lives here: a market's book, its commands and status transitions, the decision kernel,
settlement, the outbox.
What never does: accounts and balances (engine/ledger), prices (engine/pricing), disk.
"""
