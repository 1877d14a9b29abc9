"""The account shard's ledger: reserve, post, void and settle in double entry.

Owns accounts, slips and transfers, their kernels and the audit of all of them. Never owns odds,
liability or a market's status.
"""
