"""The public protocol: every message that clients and gateways exchange, as a closed schema.

What lives here: schemas by audience, their unions, and the AsyncAPI document made from them.
What never does: behaviour.
"""
