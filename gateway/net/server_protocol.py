"""The server's side of the WebSocket protocol, with refusals that say what to change.

Owns the texts of refused handshakes. What is refused is decided by `websockets`.
"""

from http import HTTPStatus
from typing import Final

from websockets.exceptions import InvalidOrigin, NegotiationError
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from gateway.net.codec import CODECS

_SHOWN_CHARS: Final = 100


class GatewayProtocol(ServerProtocol):
    """A `ServerProtocol` that names, in a refusal, the setting or header that is wrong."""

    def accept(self, request: Request) -> Response:
        """Return the answer to a handshake: 101, or a refusal in our words."""
        response = super().accept(request)
        error = self.handshake_exc
        if isinstance(error, InvalidOrigin):
            origin = ", ".join(request.headers.get_all("Origin"))[:_SHOWN_CHARS]
            text = f"origin: {origin} is not in the setting gateway.origins\n"
            return self._refuse(HTTPStatus.FORBIDDEN, text)
        if isinstance(error, NegotiationError):
            return self._refuse(HTTPStatus.BAD_REQUEST, _subprotocol_text(request))
        return response

    def _refuse(self, status: HTTPStatus, text: str) -> Response:
        """Return a refusal; the reason that was found first stays, for the audit."""
        found = self.handshake_exc
        response = self.reject(status, text)
        self.handshake_exc = found
        return response


def _subprotocol_text(request: Request) -> str:
    header = "Sec-WebSocket-Protocol"
    offered = ", ".join(request.headers.get_all(header))[:_SHOWN_CHARS]
    found = f"{offered} is not spoken here" if offered else "none is offered"
    return f"subprotocol: {found}; offer {' or '.join(CODECS)} in {header}\n"
