"""What every feed needs, whatever its format.

What lives here: the adapter interface, the pipeline, queues to shells, market creation, the
gateway's ingress.
What never does: a provider's format.
"""
