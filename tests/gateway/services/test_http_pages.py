"""Plain HTTP requests on the gateway's ports."""

import json
from collections.abc import Sequence

import pytest

from actors.messages import PartsStatus, ReconcilerStatus, encode
from engine.common.fixtures import Fixture, FixtureState
from engine.common.lifecycle import Status
from gateway.client import connect
from tests.gateway.price_gateway import PriceGateway, delta, image, open_price_gateway, token
from tests.gateway.raw_client import tcp

KEY = "wc22-64/total?total=2.5"


async def get(
    system: PriceGateway,
    path: str,
    *,
    method: str = "GET",
    listener: str = "bets",
    extra: Sequence[str] = (),
) -> tuple[int, dict[str, str], bytes]:
    async with tcp(system.ports[listener]) as raw:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *extra, "", ""]
        raw.send("\r\n".join(lines).encode())
        head, _, body = (await raw.rest()).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body


@pytest.mark.parametrize("listener", ["bets", "control", "feed"])
async def test_healthz_answers_200_on_every_listener(listener: str) -> None:
    async with open_price_gateway() as system:
        assert (await get(system, "/healthz", listener=listener))[0] == 200


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/healthz", "text/plain; charset=utf-8"),
        ("/readyz", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/v1/markets", "application/json"),
        ("/nothing", "text/plain; charset=utf-8"),
    ],
)
async def test_every_answer_states_its_type_and_ends_its_connection(path: str, kind: str) -> None:
    async with open_price_gateway() as system:
        _, headers, body = await get(system, path)
        assert headers["Content-Type"] == kind
        assert headers["Content-Length"] == str(len(body))
        assert headers["Connection"] == "close"
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_gateway_without_its_account_shards_is_not_ready() -> None:
    async with open_price_gateway() as system:
        status, headers, body = await get(system, "/readyz")
        assert (status, headers["Content-Type"]) == (503, "application/json")
        assert json.loads(body)["ready"] is False


async def test_readiness_counts_what_is_wrong_and_shows_anyone_no_bet_and_no_error() -> None:
    async with open_price_gateway() as system:
        status = ReconcilerStatus(
            differences=("bet 77 of account 7: 500 is not 600",),
            differences_found=3,
            troubles=("settlements of market-a: TypeError()",),
            road_strangers=2,
            charges_unfit=5,
        )
        system.gateway.on_reconciliation(encode(status))
        assert system.gateway.stats()["road_strangers"] == 2, "those of the shells"
        system.gateway.on_parts(1, encode(PartsStatus(down={"reconciler": "frozen at line 3"})))
        _, _, body = await get(system, "/readyz")
        shown = json.loads(body)
        assert shown["alarms"] == [
            "5 charges of legs that their market never accepted",
            "3 differences between accounts and markets",
            "1 tasks of the reconciler that fail and are tried again",
        ]
        assert shown["parts_down"] == ["reconciler"]
        for secret in ("77", "TypeError", "frozen"):
            assert secret not in body.decode()


async def test_metrics_count_sessions_and_answers() -> None:
    async with open_price_gateway() as system:
        async with connect(system.bets_url, token=token()) as client:
            await client.place(ref="a", market=9, outcome=0, stake_minor=1, odds_milli=2_000)
        _, headers, body = await get(system, "/metrics", listener="control")
        text = body.decode()
        assert headers["Content-Type"].startswith("text/plain")
        assert "overround_gateway_sessions_opened_total 1.0" in text
        assert 'overround_bets_answered_total{reason="market_unknown"} 1.0' in text
        assert "overround_bet_ack_seconds_bucket" in text


async def test_metrics_can_be_hidden_on_the_public_listener() -> None:
    async with open_price_gateway(metrics_on_bets=False) as system:
        assert (await get(system, "/metrics"))[0] == 404
        assert (await get(system, "/metrics", listener="control"))[0] == 200


@pytest.mark.parametrize("key", [KEY, "wc22-64%2Ftotal%3Ftotal%3D2.5", "wc22-64/total%3Ftotal=2.5"])
async def test_market_image_has_its_version_as_etag(key: str) -> None:
    async with open_price_gateway() as system:
        system.create(image(42, version=3, key=KEY))
        status, headers, body = await get(system, f"/v1/markets/{key}")
        assert (status, headers["ETag"]) == (200, '"3"')
        assert "max-age" in headers["Cache-Control"]
        assert json.loads(body) == {
            "type": "market",
            "market": 42,
            "key": KEY,
            "status": "active",
            "version": 3,
            "outcomes": ["outcome 0", "outcome 1"],
            "odds_milli": [2_500, 3_100],
            "active": [True, True],
        }


async def test_known_image_is_answered_304_until_its_version_changes() -> None:
    async with open_price_gateway() as system:
        system.create(image(42, version=3, key=KEY))
        path = f"/v1/markets/{KEY}"
        known = ['If-None-Match: "2", "3"']
        status, headers, body = await get(system, path, extra=known)
        assert (status, headers["ETag"], body) == (304, '"3"', b"")
        system.change(delta(42, version=4, status=Status.SUSPENDED))
        status, headers, body = await get(system, path, extra=known)
        assert (status, headers["ETag"]) == (200, '"4"')
        assert json.loads(body)["status"] == "suspended"


async def test_head_has_the_headers_and_no_body() -> None:
    async with open_price_gateway() as system:
        system.create(image(42, key=KEY))
        _, want, body = await get(system, f"/v1/markets/{KEY}")
        status, headers, nothing = await get(system, f"/v1/markets/{KEY}", method="HEAD")
        assert (status, headers, nothing) == (200, want, b"")
        assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/v1/markets/none", "/v1/markets/%ff%00", "/v1/marketsX", "*"]
)
async def test_unknown_page_is_404(path: str) -> None:
    async with open_price_gateway() as system:
        assert (await get(system, path))[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_405(method: str) -> None:
    async with open_price_gateway() as system:
        status, headers, _ = await get(system, "/healthz", method=method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=9999", "limit=x", "after=x", "a=b&" * 8 + "a=b"]
)
async def test_list_out_of_bounds_is_400(query: str) -> None:
    async with open_price_gateway() as system:
        assert (await get(system, f"/v1/markets?{query}"))[0] == 400


async def test_path_over_its_bound_is_400() -> None:
    async with open_price_gateway() as system:
        assert (await get(system, "/v1/markets/" + "x" * 2_000))[0] == 400


BOOK = "https://book.example"
ORIGIN = f"Origin: {BOOK}"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/markets", f"/v1/markets/{KEY}"])
async def test_scripts_of_a_listed_origin_may_read_the_pages(path: str) -> None:
    async with open_price_gateway(origins=(BOOK,)) as system:
        system.create(image(42, version=3, key=KEY))
        status, headers, _ = await get(system, path, extra=[ORIGIN])
        assert headers["Access-Control-Allow-Origin"] == BOOK
        assert headers["Access-Control-Expose-Headers"] == "ETag"
        assert headers["Vary"] == "Origin"
        head = await get(system, path, method="HEAD", extra=[ORIGIN])
        assert head[1]["Access-Control-Allow-Origin"] == BOOK
        if "ETag" in headers:
            known = f"If-None-Match: {headers['ETag']}"
            again = await get(system, path, extra=[ORIGIN, known])
            assert (again[0], again[1]["Access-Control-Allow-Origin"]) == (304, BOOK)
        asked = await get(system, path, method="OPTIONS", extra=[ORIGIN])
        assert (asked[0], asked[2]) == (200, b"")
        assert asked[1]["Access-Control-Allow-Origin"] == BOOK
        assert asked[1]["Access-Control-Allow-Methods"] == "GET, HEAD"
        assert asked[1]["Access-Control-Allow-Headers"] == "If-None-Match"
        assert status in (200, 503)


@pytest.mark.parametrize(
    ("origins", "sent"),
    [
        ((), [ORIGIN]),
        ((BOOK,), []),
        ((BOOK,), ["Origin: https://other.example"]),
        ((BOOK,), ["Origin: null"]),
        ((BOOK,), [ORIGIN, "Origin: https://other.example"]),
    ],
)
async def test_scripts_of_another_origin_may_not(origins: tuple[str, ...], sent: list[str]) -> None:
    async with open_price_gateway(origins=origins) as system:
        for method, expected in (("GET", 200), ("OPTIONS", 405)):
            status, headers, _ = await get(system, "/healthz", method=method, extra=sent)
            assert status == expected
            assert "Access-Control-Allow-Origin" not in headers


async def test_metrics_are_for_no_script_of_a_browser() -> None:
    async with open_price_gateway(origins=(BOOK,)) as system:
        status, headers, _ = await get(system, "/metrics", extra=[ORIGIN])
        assert status == 200
        assert "Access-Control-Allow-Origin" not in headers


# --- fixtures ------------------------------------------------------------------------------------

FINAL = Fixture(
    fixture="wc22-64",
    sport="football",
    competition="wc22",
    sides=("Argentina", "France"),
    start_ms=1_671_375_600_000,
    state=FixtureState.LIVE,
    owner="trader:anna",
    by_hand=("sport",),
    version=3,
)


async def test_fixtures_are_listed_and_searched_and_do_not_show_who_holds_them() -> None:
    async with open_price_gateway() as system:
        system.gateway.on_fixtures(encode([FINAL]))
        system.create(image(1, key=KEY), image(2, key="cup-1/1x2"))
        status, headers, body = await get(system, "/v1/fixtures")
        assert (status, headers["Cache-Control"]) == (200, "public, max-age=1")
        listed = json.loads(body)["fixtures"]
        assert [each["fixture"] for each in listed] == ["wc22-64", "cup-1"]
        assert not [each for each in listed if "owner" in each or "by_hand" in each]
        for query, names in (
            ("text=argentina%20france", ["wc22-64"]),
            ("states=live&states=ended&sport=football", ["wc22-64"]),
            ("states=ended", []),
            ("from_ms=1671375600000&until_ms=1671375600001", ["wc22-64"]),
            ("limit=1&newest_first=true", ["cup-1"]),
            ("after=1671375600000/wc22-64", ["cup-1"]),
        ):
            _, _, body = await get(system, f"/v1/fixtures?{query}")
            found = [each["fixture"] for each in json.loads(body).get("fixtures", ())]
            assert found == names, query


@pytest.mark.parametrize(
    "query",
    ["owner=trader:anna", "fixture=x", "limit=0", "limit=x", "states=paused", "after=x", "id=1",
     "text=" + "x" * 65, "&".join(f"sport={n}" for n in range(17))],
)  # fmt: skip
async def test_a_question_for_fixtures_that_cannot_be_is_answered_400(query: str) -> None:
    async with open_price_gateway() as system:
        assert (await get(system, f"/v1/fixtures?{query}"))[0] == 400


async def test_a_fixture_and_the_catalogue_change_their_tag_with_their_markets() -> None:
    async with open_price_gateway() as system:
        system.gateway.on_fixtures(encode([FINAL]))
        system.create(image(1, key=KEY))
        for page in ("/v1/fixtures/wc22-64", "/v1/catalogue"):
            status, headers, body = await get(system, page)
            assert status == 200
            assert b'"active":1' in body
            assert b"trader:anna" not in body
            known = [f"If-None-Match: {headers['ETag']}"]
            assert (await get(system, page, extra=known))[0] == 304
        system.change(delta(1, version=2, status=Status.SUSPENDED))
        for page in ("/v1/fixtures/wc22-64", "/v1/catalogue"):
            status, _, body = await get(system, page, extra=known)
            assert (status, b'"suspended":1' in body) == (200, True)
        assert (await get(system, "/v1/fixtures/unheard-of"))[0] == 404
