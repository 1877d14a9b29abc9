"""Identify callers and decide what each may send.

What lives here: tokens, admission, permissions, one session per connection and what sessions share.
What never does: deciding bets, moving money.
"""
