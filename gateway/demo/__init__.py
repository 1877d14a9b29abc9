"""The demonstration: a World Cup match traded end to end on a real system.

What lives here: its bettors, its trader, its terminal view and the checks that close its books.
What never does: anything a production system needs.
"""
