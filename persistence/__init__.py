"""Journals, snapshots and recovery: bytes in, bytes out.

What lives here: framing, checksums, segments, group commit, verification, inspection.
What never does: rules of betting, processes, sockets.
"""
