"""A bettor in forty lines: WebSocket, msgpack and nothing of Overround's.

Any language with a WebSocket and a msgpack library can do the same. The token is read from standard
input. `overround asyncapi` prints every message with its fields and bounds.

    overround token --role bettor --account 7 | python docs/examples/bettor.py ws://localhost:8480
"""

import asyncio
import sys

import msgpack
from websockets.asyncio.client import connect


async def bet(url: str, token: str) -> None:
    """Follow a market, place one bet at the odds seen, and print the answer and the balance."""
    async with connect(
        url,
        subprotocols=["overround.v1.msgpack"],
        additional_headers={"Authorization": f"Bearer {token}"},
        compression=None,
    ) as socket:

        async def send(**message: object) -> None:
            await socket.send(msgpack.packb(message))

        async def receive(kind: str) -> dict:
            while True:
                message = msgpack.unpackb(await socket.recv())
                if message["type"] == "error":
                    raise SystemExit(f"error {message['code']}: {message['message']}")
                if message["type"] == kind:
                    return message

        await send(type="subscribe", id=1, markets=[1])
        market = await receive("market")
        print(f"{market['key']}: {market['outcomes']} at {market['odds_milli']} thousandths")
        # The ref makes the bet idempotent: the same ref sent again is the same bet.
        await send(
            type="place",
            ref="example-1",
            market=1,
            outcome=0,
            stake_minor=500,
            odds_milli=market["odds_milli"][0],
            policy="higher",
        )
        answer = await receive("bet")
        print(f"bet {answer['ref']}: {answer['state']} {answer.get('message', '')}".rstrip())
        await send(type="balance", id=2)
        balance = await receive("balance")
        print(f"available: {balance['available_minor']} {balance['currency']} in minor units")


asyncio.run(bet(sys.argv[1], sys.stdin.readline().strip()))
