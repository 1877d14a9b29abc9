"""LSports' feed: JSON messages of fixtures, markets and settlements, and snapshots over HTTP.

What lives here: reading messages, what they do to markets, the live connection.
What never does: how messages reach a gateway and how markets apply them.
"""
