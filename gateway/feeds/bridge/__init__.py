"""The bridge: a process outside the system that carries a provider's messages to the feed listener.

What lives here: transports (AMQP, TLS stream, recordings), recorder, delivery and acknowledgement.
What never does: interpreting a message.
"""
