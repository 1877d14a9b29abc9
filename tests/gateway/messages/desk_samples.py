"""Samples of messages about what the desk keeps."""

from msgspec.structs import replace

from engine.common.acceptance import AcceptancePatch
from engine.common.board_inputs import ExpectedGoals
from engine.common.commands import CancelMarket, LimitsPatch, OutcomeResult
from engine.common.events import MarketCancelled
from engine.common.fixtures import FixtureState
from engine.common.stated_matches import StatedMatch
from engine.common.stated_results import StatedOutcome, StatedResult
from gateway.messages.approvals import (
    Decided,
    DecideProposal,
    ListProposals,
    ProposalLine,
    Proposals,
    ProposeCommands,
    Proposed,
    WithdrawProposal,
)
from gateway.messages.audit import AskAuditTrail, AuditLines, AuditTrailLine
from gateway.messages.inputs import (
    AskInputs,
    HappenInMatch,
    InputsKept,
    KeepInputs,
    ReleaseInputs,
)
from gateway.messages.kept_limits import (
    AskLimits,
    KeepLimits,
    KeptLimits,
    LimitsKept,
    ReleaseLimits,
)
from gateway.messages.margins import AskMargins, KeepMargin, KeptMargin, MarginsKept, ReleaseMargin
from gateway.messages.scopes import MarketScope
from gateway.messages.settlement_work import (
    AskSettlementWork,
    MatchLine,
    SettlementLine,
    SettlementList,
)
from gateway.messages.shells import AskShells, Reconciliation, ShellLine, Shells

CANCEL = CancelMarket(market_no=42, why="wrong match")
CANCELLED = MarketCancelled(
    market_no=42, version=9, settlement_no=2, bets=14, payouts_check=2_500_000, why="wrong match"
)
OPEN = ProposalLine(
    proposal=3,
    state="open",
    by="settler:anna",
    at="2026-01-31T12:00:00.125+00:00",
    expires="2026-02-01T12:00:00.125+00:00",
    commands=(CANCEL,),
    change_minor=2_500_000,
    why="another match was shown",
)
DONE = replace(
    OPEN,
    state="done",
    decided_by="head_trader:bob",
    decided_why="seen",
    decided="2026-01-31T12:05:00.000+00:00",
    result="1 done, 0 refused",
)

DESK_REQUESTS = (
    KeepInputs(
        id=35,
        fixture="wc22-64",
        pricing={"margin": {"method": "power"}},
        expect=ExpectedGoals(total=2.6, supremacy=0.4),
        running=True,
    ),
    AskInputs(id=36, fixture="wc22-64"),
    ReleaseInputs(id=37, fixture="wc22-64"),
    HappenInMatch(id=38, fixture="wc22-64", event="goal", side="home", reopen=True),
    KeepMargin(
        id=39,
        scope=MarketScope(competition="wc22", type="1x2"),
        margin={"book_milli": 1_030},
        skew=None,
    ),
    ReleaseMargin(id=40, scope=MarketScope(house=True)),
    AskMargins(id=41, market=42, limit=10),
    KeepLimits(
        id=42,
        scope=MarketScope(sport="tennis"),
        limits=LimitsPatch(stake_minor_max=500),
        acceptance=AcceptancePatch(delay_ms=0),
        limits_in_play=LimitsPatch(stake_minor_max=300),
        acceptance_in_play=AcceptancePatch(delay_ms=3_000),
    ),
    ReleaseLimits(id=43, scope=MarketScope(market=42)),
    AskLimits(id=44, skip=100),
    AskSettlementWork(id=45, conflicts=True, after=42, limit=50),
    AskShells(id=46),
    ProposeCommands(id=31, commands=(CANCEL,), why="another match was shown"),
    DecideProposal(id=32, proposal=3, approve=True, why="seen"),
    WithdrawProposal(id=33, proposal=3),
    ListProposals(id=34, state="open", before=9),
    AskAuditTrail(id=18, by="anna", what="settle", text="wc22", refused=True, from_ns=1 << 60),
)
DESK_ANSWERS = (
    InputsKept(
        id=38,
        fixture="wc22-64",
        sport="football",
        model={"home_rate": 1.5, "away_rate": 1.1},
        state={"period": 1, "clock_s": 1_380, "first_half": {"home": 1}, "order": "h"},
        running=True,
        by="trader:anna",
        at="2026-01-31T12:23:00.000+00:00",
        repriced=397,
        suspended=397,
        resumed=396,
    ),
    MarginsKept(
        id=39,
        margins=(
            KeptMargin(
                scope=MarketScope(competition="wc22", type="1x2"),
                margin={"book_milli": 1_030},
                skew=None,
                by="trader:anna",
                at="2026-01-31T12:00:00.125+00:00",
            ),
        ),
        total=3,
        fixtures=8,
    ),
    LimitsKept(
        id=42,
        limits=(
            KeptLimits(
                scope=MarketScope(sport="tennis"),
                limits=LimitsPatch(stake_minor_max=500),
                acceptance=AcceptancePatch(delay_ms=0),
                limits_in_play=LimitsPatch(stake_minor_max=300),
                acceptance_in_play=AcceptancePatch(delay_ms=3_000),
                by="risk:bo",
                at="2026-01-31T12:00:00.125+00:00",
            ),
        ),
        total=1,
        markets=400,
    ),
    Shells(
        id=46,
        shells=(
            ShellLine(
                name="market-00003",
                kind="market",
                state="quarantined",
                why="shells/market-00003/00000000000000000001.log: offset 4711: wrong checksum",
                folder="overround-data/shells/market-00003",
                pid=4_242,
                restarts=2,
                outage_ms=180,
                markets=12,
                bets=1_200,
                seq=380,
                journal_bytes=1_234_567,
                journal_segments=2,
                unsnapshotted_bytes=234_567,
                snapshot_seq=300,
                snapshot_ms=1_769_860_800_000,
                snapshot_bytes=650_000,
                recovered_bets=200,
                recovery_ms=210,
            ),
        ),
        states={"quarantined": 1, "serving": 23},
        reconciliation=Reconciliation(
            settled=900,
            resolved=1,
            compared=4_000,
            differences=("bet 9: stands in its account, not accepted by any market",),
            differences_found=1,
        ),
    ),
    SettlementList(
        id=45,
        lines=(
            SettlementLine(
                market=43,
                key="wc22-64/1x2",
                status="settled",
                fixture_state="ended",
                differ=(0,),
                statements=(
                    StatedResult(
                        feed="uof",
                        results=(StatedOutcome(outcome=0, result=OutcomeResult(won=True)),),
                    ),
                    StatedResult(feed="lsports", cancelled=True),
                ),
            ),
        ),
        more=True,
        conflicts=9,
        matches=(
            MatchLine(
                fixture="wc22-64",
                differ=("score",),
                statements=(
                    StatedMatch(source="uof", state=FixtureState.LIVE, score=(1, 0)),
                    StatedMatch(source="priced", score=(0, 0)),
                ),
            ),
        ),
    ),
    Proposed(id=31, proposal=OPEN),
    Decided(id=32, proposal=DONE, events=(CANCELLED,)),
    Proposals(id=34, proposals=(OPEN,), more=True),
    AuditLines(
        id=18,
        lines=(
            AuditTrailLine(
                number=7,
                at="2026-01-31T12:00:00.125+00:00",
                by="trader:anna",
                what="settle_market",
                about="market 3",
                request='{"type":"control"}',
                result="0 done, 1 refused: 401: no such market",
                refused=True,
                gateway="gateway-0",
            ),
        ),
        more=True,
        first=2,
    ),
)
