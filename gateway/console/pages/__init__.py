"""The console's pages: the frame that all share, and one module for each need of a trader.

What lives here: what is shown, and which message each action sends in its user's own session.
What never does: figures (figures.py, model.py), permissions (the gateway's).
"""
