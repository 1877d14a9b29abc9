"""Types and rules shared by market, ledger and pricing.

Owns units, ids, commands, events, reasons, row layouts, the life-cycle table and the compilation of
kernels. Never owns a rule that belongs to markets, to accounts or to prices alone.
"""
