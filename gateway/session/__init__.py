"""Who is calling and what they may do.

What lives here: tokens, admission, permissions, one session per connection and what sessions share.
What never does: deciding bets, moving money.
"""
