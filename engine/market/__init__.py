"""The market machine: decide bets, keep the liability, settle.

Owns the markets' book, their commands and status transitions, the decision kernels, settlement and
the outbox. Never owns accounts or balances (engine/ledger) or prices (engine/pricing), and never
does I/O.
"""
