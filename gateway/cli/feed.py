"""`overround feed`: carry a provider's messages, or a recording, to the feed listener.

Owns the arguments, the exit code and what is printed; gateway.feeds.bridge carries the messages.
Brokers' clients and TLS are imported when the command runs.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop

from actors.exit_codes import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_WRONG_ARGUMENTS
from gateway.cli.arguments import add_command, whole
from gateway.configuration.config import Config
from gateway.feeds.core.settings import FEEDS
from gateway.session.tokens import Role, load_key
from gateway.settings import FEED_MESSAGES_HELD_MAX, FEED_MESSAGES_LATE_MAX
from gateway.signals import STOPS

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands
    from gateway.feeds.bridge.bridge import Bridge, Transport

PASSWORD_VARIABLE: Final = "OVERROUND_AMQP_PASSWORD"  # noqa: S105 - a name
API_TOKEN_VARIABLE: Final = "OVERROUND_UOF_TOKEN"  # noqa: S105
PREFETCH_MIN: Final = FEED_MESSAGES_HELD_MAX + FEED_MESSAGES_LATE_MAX + 256
"""Others must still come while so many messages are held and not acknowledged."""
PREFETCH_MAX: Final = 65_535


def add(commands: "Commands") -> None:
    """Add the command and the kinds of feeds, each with options of its own."""
    parser = add_command(
        commands,
        "feed",
        "carry a provider's messages to a running engine",
        epilog="A message is acknowledged to its source when every market it names has applied it. "
        "When interrupted, the command waits for messages in flight and prints what it carried.",
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND", title="kinds", dest="kind")
    for kind in (_add_uof(kinds), _add_exchange(kinds), _add_lsports(kinds)):
        _add_common(kind.add_argument)
    parser.set_defaults(run=run)


def _add_kind(
    kinds: "Commands", name: str, what: str, epilog: str, *, live: tuple[str, str, str]
) -> argparse.ArgumentParser:
    """Add a kind that is carried live (its option, the option's value and help) or from files."""
    parser = kinds.add_parser(
        name,
        help=what,
        description=f"Carry {what} to a gateway.",
        epilog=epilog,
        allow_abbrev=False,
    )
    option, metavar, where = live
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(option, metavar=metavar, help=where)
    source.add_argument("--files", type=Path, metavar="PATH", help="a recording: file or folder")
    return parser


def _add_uof(kinds: "Commands") -> argparse.ArgumentParser:
    uof = _add_kind(
        kinds,
        "uof",
        "the Unified Odds Feed",
        f"A broker's password may come in {PASSWORD_VARIABLE}, the token for --api comes in "
        f"{API_TOKEN_VARIABLE}.",
        live=("--amqp", "URL", "amqp:// or amqps://USER@HOST:PORT/VHOST"),
    )
    option = uof.add_argument
    option("--api", metavar="URL", help="the provider's HTTP interface, for recovery requests")
    option("--exchange", default="unifiedfeed", metavar="NAME", help="default unifiedfeed")
    option(
        "--routing-key",
        action="append",
        dest="routing_keys",
        metavar="KEY",
        help="what to subscribe to (default: all); may be given several times",
    )
    option(
        "--queue",
        default="",
        metavar="NAME",
        help="a durable queue (default: a temporary queue of this process)",
    )
    option(
        "--prefetch",
        type=whole(PREFETCH_MIN, PREFETCH_MAX),
        default=2_048,
        metavar="N",
        help="messages in flight (default 2048)",
    )
    return uof


def _add_exchange(kinds: "Commands") -> argparse.ArgumentParser:
    exchange = _add_kind(
        kinds,
        "exchange",
        "an exchange's stream",
        "Credentials come from a file that OVERROUND_EXCHANGE_CREDENTIALS names, or from "
        "OVERROUND_EXCHANGE_APP_KEY and OVERROUND_EXCHANGE_SESSION.",
        live=("--tls", "HOST:PORT", "the exchange's stream"),
    )
    exchange.add_argument(
        "--market",
        action="append",
        dest="markets",
        metavar="ID",
        help="a market to follow (default: all); may be given several times",
    )
    return exchange


def _add_lsports(kinds: "Commands") -> argparse.ArgumentParser:
    lsports = _add_kind(
        kinds,
        "lsports",
        "LSports' feed over a WebSocket",
        "Credentials come in OVERROUND_LSPORTS_PACKAGE, OVERROUND_LSPORTS_USER and "
        "OVERROUND_LSPORTS_PASSWORD.",
        live=("--socket", "URL", "ws:// or wss://HOST:PORT/PATH"),
    )
    lsports.add_argument(
        "--api", metavar="URL", help="the provider's HTTP interface, for snapshots"
    )
    return lsports


def _add_common(option: Callable[..., object]) -> None:
    option("--ca-file", default="", metavar="FILE", help="certificate authorities to trust instead")
    option("--url", default="", metavar="URL", help="the feed listener (default: the settings')")
    option("--token", default="", metavar="TOKEN", help="default: signed with the settings' secret")
    option("--name", default="", metavar="FEED", help="the feed's name there (default: its kind)")
    option(
        "--record",
        type=Path,
        metavar="FILE",
        help="also write every message to a file, one a line: a recording for replay",
    )
    option(
        "--give-up-s",
        type=whole(0, 86_400),
        default=0,
        metavar="S",
        help="end when no gateway is reachable for so long (default 0: never)",
    )


def run(args: argparse.Namespace, config: Config) -> int:
    """Carry a feed and return the exit code: 0 at its end, 1 if it failed, 130 when stopped."""
    assert args.kind in FEEDS
    try:
        return uvloop.run(_run(args, config))
    except ValueError as error:
        _print_error(error)
        return EXIT_WRONG_ARGUMENTS
    except _errors() as error:  # before any message was carried
        _print_error(error)
        return EXIT_FAILED


async def _run(args: argparse.Namespace, config: Config) -> int:
    from gateway.feeds.bridge.bridge import Bridge, BridgeSettings  # noqa: PLC0415 - brings the client

    if args.ca_file:
        _check_authorities(args.ca_file)
    transport = {"uof": _uof, "exchange": _exchange, "lsports": _lsports}[args.kind](args)
    if args.record is not None:
        from gateway.feeds.bridge.recorder import Recorder  # noqa: PLC0415

        try:
            transport = Recorder(transport, args.record)
        except OSError as error:
            raise ValueError(f"--record {args.record}: {error.strerror or error}") from error
    bridge = Bridge(
        transport=transport,
        feed=args.name or args.kind,
        url=args.url or f"ws://{config.gateway.feed_host}:{config.gateway.feed_port}",
        token=_token(args, config),
        settings=BridgeSettings(give_up_s=float(args.give_up_s)),
    )
    interrupted = asyncio.Event()
    running = asyncio.ensure_future(bridge.run())

    def interrupt() -> None:
        if interrupted.is_set():
            running.cancel()  # a second signal ends it at once
        interrupted.set()
        bridge.stop()

    failed = False
    try:
        with args.signals.handled(dict.fromkeys(STOPS, interrupt)):
            await running
    except asyncio.CancelledError:
        pass
    except _errors() as error:
        failed = True
        _print_error(error)
    _report(bridge)
    if failed:
        return EXIT_FAILED
    return EXIT_INTERRUPTED if interrupted.is_set() else EXIT_DONE


def _check_authorities(path: str) -> None:
    """Refuse an unusable file of certificate authorities before any connection is made."""
    from gateway.feeds.tls import verifying  # noqa: PLC0415

    try:
        verifying(path)
    except OSError as error:
        raise ValueError(f"--ca-file: {error}") from error


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors of the surroundings, which end the command with one line."""
    from gateway.feeds.bridge.amqp import AmqpError  # noqa: PLC0415 - brings the broker's client
    from gateway.feeds.bridge.bridge import BridgeError  # noqa: PLC0415
    from gateway.feeds.bridge.recordings import RecordingError  # noqa: PLC0415
    from gateway.feeds.exchange.stream import (  # noqa: PLC0415
        CredentialsError,
        StreamRefusedError,
    )
    from gateway.feeds.lsports.credentials import LsportsCredentialsError  # noqa: PLC0415
    from gateway.feeds.lsports.socket import LsportsRefusedError  # noqa: PLC0415

    return (
        BridgeError,
        AmqpError,
        RecordingError,
        CredentialsError,
        StreamRefusedError,
        LsportsCredentialsError,
        LsportsRefusedError,
        OSError,
    )


def _token(args: argparse.Namespace, config: Config) -> Callable[[], str]:
    """Return a function that gives a token for each new connection."""
    if args.token:
        token = str(args.token)
        return lambda: token
    key = load_key(config.tokens, data_dir=Path(config.data_dir))
    return lambda: key.issue(
        role=Role.FEED,
        sub=args.name or args.kind,
        account=None,
        now_s=int(time.time()),
        expires_s=config.tokens.expires_s,
    )


def _uof(args: argparse.Namespace) -> "Transport":
    from gateway.feeds.bridge.amqp import AmqpSettings, AmqpTransport, with_password  # noqa: PLC0415
    from gateway.feeds.bridge.transports import FileTransport  # noqa: PLC0415
    from gateway.feeds.uof.messages import SUBSCRIPTION_STARTED  # noqa: PLC0415
    from gateway.feeds.uof.recovery_api import RecoveryApi  # noqa: PLC0415

    if args.files is not None:
        return FileTransport(args.files, kind="uof")
    api = None
    if args.api:
        api = RecoveryApi(args.api, token=os.environ.get(API_TOKEN_VARIABLE, ""))
    settings = AmqpSettings(
        url=with_password(args.amqp, os.environ.get(PASSWORD_VARIABLE, "")),
        exchange=args.exchange,
        routing_keys=tuple(args.routing_keys or ("#",)),
        queue=args.queue,
        prefetch=args.prefetch,
        ca_file=args.ca_file,
    )
    request = None if api is None else api.request
    return AmqpTransport(settings, request=request, began=SUBSCRIPTION_STARTED)


def _exchange(args: argparse.Namespace) -> "Transport":
    from gateway.feeds.bridge.transports import FileTransport, StreamTransport  # noqa: PLC0415
    from gateway.feeds.exchange.session import Subscription  # noqa: PLC0415
    from gateway.feeds.exchange.stream import (  # noqa: PLC0415
        StreamSettings,
        StreamSocket,
        read_credentials,
    )

    if args.files is not None:
        return FileTransport(args.files, kind="exchange")
    host, _, port = args.tls.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--tls: HOST:PORT, not {args.tls[:80]!r}")
    wanted: dict[str, Any] = {"marketIds": args.markets} if args.markets else {}
    stream = StreamSocket(
        subscription=Subscription(market_filter=wanted),
        credentials=lambda: read_credentials(os.environ),
        settings=StreamSettings(host=host, port=int(port), ca_file=args.ca_file),
    )
    return StreamTransport(stream)


def _lsports(args: argparse.Namespace) -> "Transport":
    from gateway.feeds.bridge.transports import FileTransport, LsportsTransport  # noqa: PLC0415
    from gateway.feeds.lsports.credentials import read_package_credentials  # noqa: PLC0415
    from gateway.feeds.lsports.snapshot_api import SnapshotApi  # noqa: PLC0415
    from gateway.feeds.lsports.socket import LsportsSocket, LsportsSocketSettings  # noqa: PLC0415

    if args.files is not None:
        return FileTransport(args.files, kind="lsports")
    credentials = read_package_credentials(os.environ)
    api = None
    if args.api:
        api = SnapshotApi(args.api, credentials=credentials, ca_file=args.ca_file)
    settings = LsportsSocketSettings(url=args.socket, ca_file=args.ca_file)
    return LsportsTransport(LsportsSocket(settings, credentials=credentials), api)


def _report(bridge: "Bridge") -> None:
    """Print what was carried."""
    counts = bridge.counts
    lines = [
        f"{counts.read} messages read, {counts.answered} answered, {counts.refused} refused, "
        f"{counts.sent_again} sent again, {counts.held} held, {counts.too_long} too long; "
        f"{counts.connections} connections, {counts.requests} recovery requests"
    ]
    lines += [f"  {kind}: {count}" for kind, count in sorted(bridge.kinds.items())]
    lines += [f"  refused {line}" for line in bridge.refusals]
    sys.stdout.write("\n".join(lines) + "\n")


def _print_error(error: Exception) -> None:
    sys.stderr.write(f"overround feed: {error}\n")
