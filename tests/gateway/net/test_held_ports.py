"""A port that is held for another process."""

import asyncio
import socket

import pytest

from gateway.net.held_ports import hold_port, port_of


async def test_a_server_listens_on_a_held_port_again_and_again() -> None:
    with hold_port("127.0.0.1") as held:
        for _ in range(2):
            server = await asyncio.start_server(
                lambda _, writer: writer.close(), "127.0.0.1", port_of(held)
            )
            async with server:
                reader, writer = await asyncio.open_connection("127.0.0.1", port_of(held))
                assert await reader.read() == b""
                writer.close()


def test_a_held_port_is_given_to_nobody_and_nobody_is_found_there() -> None:
    with hold_port("127.0.0.1") as held:
        address = ("127.0.0.1", port_of(held))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=30)


def test_a_host_of_no_address_of_this_machine_is_an_error() -> None:
    with pytest.raises(OSError, match="assign requested address"):
        hold_port("192.0.2.1")
