"""Messages by which a trader asks what a command on a market's bets would do.

Owns schemas only; engine.market.preview works the figures out.
"""

from engine.common.previews import Preview, PreviewCommand
from gateway.messages.base import FromClient, FromGateway, IdField


class AskPreview(FromClient, frozen=True, kw_only=True, tag="preview"):
    """Ask what a command would do to its market's bets; nothing changes. See `previewed`.

    What the command would be refused for is answered by `error` with the same reason. The figures
    are of the command's market, and `moved_minor` includes what moves of bet builders and place
    markets that follow it.
    """

    id: IdField = 0
    command: PreviewCommand


class Previewed(FromGateway, frozen=True, kw_only=True, tag="previewed"):
    """What the command would do; `seq` is the last record of the shell's journal at that instant.

    The same `seq` later says that nothing in the shell has changed since.
    """

    id: int = 0
    seq: int = 0
    preview: Preview
