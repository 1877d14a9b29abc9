"""Rules of the trading desk beside its markets: approvals by two people, and the audit trail.

Pure and deterministic, as the rest of the engine: documents are applied in order and rebuild the
state. actors.desk journals them and runs in a process of its own.
"""
