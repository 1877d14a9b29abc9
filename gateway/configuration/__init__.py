"""Settings and opening file, and the system that they describe.

What lives here: reading and checking TOML and environment, opening markets and accounts, choosing
parts.
What never does: the command line (gateway/cli).
"""
