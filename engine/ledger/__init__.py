"""The account shard's ledger: reserve, post, void and settle in double entry.

What lives here: accounts, slips, transfers, their kernels, and the audit of all of them.
What never does: odds, liability or market state.
"""
