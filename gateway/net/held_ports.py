"""Hold a port for a process that is to listen on it later.

Owns the socket that keeps it. It never listens.
"""

import socket


def hold_port(host: str) -> socket.socket:
    """Bind a free port of a host, and keep it until the socket is closed.

    A server that lets its address be used again, as those of asyncio do, can listen on the port
    meanwhile. To nobody else is it given: between a look for a free port and its use another
    process may be, and whoever waits for the one would find the other.

    Parameters
    ----------
    host : str
        An address of this machine, or a name of one.

    Raises
    ------
    OSError
        The host is none of this machine, or has no port left.
    """
    (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
        host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    held = socket.socket(family, kind, protocol)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(address)
    except OSError:
        held.close()
        raise
    return held


def port_of(held: socket.socket) -> int:
    """Return the number of a held port."""
    return int(held.getsockname()[1])
