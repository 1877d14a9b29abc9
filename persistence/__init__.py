"""Journals, snapshots and recovery.

What lives here: record frames, checksums, segments, group commit, verification, inspection.
What never does: rules of betting, processes, sockets.
"""
