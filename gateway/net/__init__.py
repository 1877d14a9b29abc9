"""Connections and frames: bytes of TCP, HTTP and WebSocket.

What lives here: one connection's protocol state, listening sockets, the two codecs.
What never does: reading the meaning of a message.
"""

from gateway.net.internals import check_websockets

check_websockets()
