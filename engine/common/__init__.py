"""Types and rules shared by market, ledger and pricing.

What lives here: units, ids, commands, events, reasons, row layouts, the life-cycle table, kernels'
compilation.
What never does: a rule that belongs to markets, to accounts or to prices alone.
"""
