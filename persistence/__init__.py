"""Journals, snapshots, recovery and export: bytes in, bytes out, no rules."""
