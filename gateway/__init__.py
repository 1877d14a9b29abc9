"""Everything that faces the outside: sockets, sessions, feeds, command line, demonstration.

What lives here: app.py (one gateway process), settings.py (its bounds) and one folder for each
duty.
What never does: deciding bets, moving money, durable state.
"""
