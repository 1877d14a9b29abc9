"""What every feed needs, whatever its format.

What lives here: the adapter interface, the pipeline and its parts, queues to market shells, market
creation, the gateway's ingress.
What never does: a provider's format.
"""
