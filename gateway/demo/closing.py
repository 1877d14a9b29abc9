"""Close the books of a run: wait until everyone is paid, run the checks, add up the figures.

Owns the checks. It reads the shells' memory and their journals on disk and compares both with the
answers that bettors received. It never corrects anything.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct

from actors.messages import (
    AUDIT_ROWS_MAX,
    ReconciliationReport,
    decode_health,
    decode_offers,
    decode_totals,
)
from actors.peer import PeerError, PeerRefusedError
from actors.routes import account_shell_name
from actors.system import System
from engine.common.commands import OutcomeResult
from engine.common.ids import ShardNo
from engine.common.reasons import Reason
from engine.common.rows import SLIP_BET, Rows, SlipKind, SlipState
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD
from gateway.demo.answers import Answers, ReceivedAnswer, ReceivedSlip, reason_text
from gateway.demo.figures import money, pad
from gateway.demo.offers import NAMES, expected_figures
from persistence.chain import JournalDamagedError
from persistence.disk import LocalDisk
from persistence.recovery import MarketReplay, rebuild, replay_hash
from simulations.audit import UNKNOWN, Audit, audit, slip_payouts_minor, sums_to_zero
from simulations.slip_figures import SlipFigures, slip_figures

_POLL_S: Final = 0.05
_TRIES_MAX: Final = 400


class Check(Struct, frozen=True, kw_only=True):
    """One check: what must hold, whether it does, and the figures behind it."""

    name: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{'passed' if self.passed else 'FAILED'}  {self.name} ({self.detail})"


class ClosedBooks(Struct, frozen=True, kw_only=True):
    """The audited books and the outcome of every check."""

    audit: Audit
    slips: SlipFigures
    checks: tuple[Check, ...]
    currency: str

    @property
    def sound(self) -> bool:
        """Say whether every check passed."""
        return all(check.passed for check in self.checks)

    def lines(self) -> list[str]:
        """Return the lines to print."""
        book, slips = self.audit, self.slips
        refused = book.bets - book.accepted
        figures = [
            ("bets", f"{book.accepted:,} accepted, {refused:,} refused by their markets"),
            ("turnover", f"{money(book.turnover_minor)} {self.currency}"),
            ("payout", f"{money(book.payout_minor)} {self.currency}"),
            ("hold", f"{money(book.hold_minor)} {self.currency} ({book.hold:.1%} of turnover)"),
        ]
        if slips.accepted or slips.refused:
            share = slips.share_of(book.turnover_minor)
            figures.append(
                (
                    "slips",
                    f"{slips.accepted:,} of the bets, with {slips.legs:,} legs: "
                    f"{money(slips.turnover_minor)} {self.currency} staked "
                    f"({share:.1%} of turnover), {money(slips.payout_minor)} paid",
                )
            )
        return [*pad(figures), *(f"check {check}" for check in self.checks)]


async def settled_and_paid(system: System, *, deadline_s: float) -> str:
    """Wait until every settlement has reached its account; return what is left, if anything."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + deadline_s
    while True:
        left = await _left(system)
        if not left or loop.time() >= until_s:
            return left
        await asyncio.sleep(_POLL_S)


async def _left(system: System) -> str:
    try:
        waiting = sum(
            [
                len(await system.peer(name).ask("outbox_shards"))
                for name in _shells(system, "market")
            ]
        )
        totals = [
            one
            for name in _shells(system, "account")
            for one in decode_totals(await system.peer(name).ask("totals"))
        ]
        charged = await _accounts_with_charges(system)
    except (PeerError, PeerRefusedError) as error:
        await system.refresh()
        return str(error)
    if waiting:
        return f"{waiting} outboxes are not empty"
    if charged:
        return f"markets must be told charges of {', '.join(charged)}"
    pending = sum(one.pending_minor for one in totals)
    at_stake = sum(one.at_stake_minor for one in totals)
    return f"{money(pending)} pending, {money(at_stake)} at stake" if pending or at_stake else ""


async def close_books(
    system: System,
    *,
    data_dir: Path,
    results: Mapping[int, Sequence[OutcomeResult]] | None = None,
    expected_payouts_minor: Mapping[int, int] | None = None,
    received: Answers,
    currency: str,
) -> ClosedBooks:
    """Check the books and add them up.

    Parameters
    ----------
    system : System
        Running, with no bet and no settlement in progress.
    data_dir : Path
        Where its journals are.
    results : mapping, optional
        Results by market number, from which every payout is computed again.
    expected_payouts_minor : mapping, optional
        What every accepted bet is owed, by bet id, where results alone do not determine it.
    received : Answers
        The answers that bettors received.
    currency : str
        For the figures.
    """
    report = await system.compare_bets_and_slips()
    records = await _rows(system, "market", "bets", BET_RECORD)
    slips = await _rows(system, "account", "slips", SLIP)
    slip_bets = {
        ShardNo(number): await _pages(
            system, account_shell_name(ShardNo(number)), "slip_bets", SLIP_BET
        )
        for number in range(len(_shells(system, "account")))
    }
    found = audit(
        records,
        slips,
        results,
        slip_bets=slip_bets,
        expected_payouts_minor=expected_payouts_minor,
    )
    heads = slips[slips["kind"] == SlipKind.HEAD]
    if expected_payouts_minor is not None:
        ids = heads["bet_id"].tolist()
        expected = [expected_payouts_minor.get(bet_id, UNKNOWN) for bet_id in ids]
    else:
        expected = slip_payouts_minor(heads, slips, results or {}, slip_bets).tolist()
    costs = await _offer_costs(system)
    untrue = contradicted_answers(records, received.bets)
    untrue += contradicted_slips(slips, received.slips)
    checks = (
        _sums(report),
        _agree(report, found, untrue, len(received.bets) + len(received.slips)),
        await _replays(system, data_dir),
        slips_paid(heads, expected),
        *([offers_given(slips, slip_bets, costs)] if costs else []),
        await _charges(system, slips),
    )
    return ClosedBooks(audit=found, slips=slip_figures(slips), checks=checks, currency=currency)


def _sums(report: ReconciliationReport) -> Check:
    sums: dict[str, list[int]] = {}
    for one in report.totals:
        total = sums.setdefault(one.currency, [0, 0, 0, 0])
        figures_minor = (one.house_minor, one.offers_minor, one.available_minor)
        for place, minor in enumerate((*figures_minor, -one.external_minor)):
            total[place] += minor
    figures = "; ".join(
        f"{currency}: house {money(house)} {f'+ offers {money(offers)} ' if offers else ''}"
        f"+ bettors {money(bettors)} = paid in {money(paid_in)}"
        for currency, (house, offers, bettors, paid_in) in sums.items()
    )
    passed = report.sums_to_zero and sums_to_zero(report.totals) and bool(report.totals)
    return Check(name="the ledger sums to zero", passed=passed, detail=figures or "no ledger")


def _agree(
    report: ReconciliationReport, found: Audit, untrue: Sequence[str], received: int
) -> Check:
    differences = [*report.differences, *found.differences, *untrue]
    if report.in_flight or not report.quiet:
        differences.append(f"{report.in_flight} verdicts are still in progress")
    detail = f"{found.bets:,} bets, {received:,} of them compared with what bettors received"
    return Check(
        name="accounts and markets agree bet by bet",
        passed=report.agree and not differences,
        detail="; ".join(differences) or detail,
    )


def contradicted_answers(records: Rows, received: Mapping[int, ReceivedAnswer]) -> list[str]:
    """Describe the answers that differ from the markets' records; empty when none does.

    A refusal by the account itself has no bet id and is not among them.
    """
    ids = records["bet_id"].tolist()
    reasons, odds = records["reason"].tolist(), records["odds_milli"].tolist()
    book = dict(zip(ids, zip(reasons, odds, strict=True), strict=True))
    wrong = []
    for bet_id, answer in received.items():
        reason, odds_milli = book.get(bet_id, (-1, 0))
        if answer.accepted != (reason == 0) or (
            answer.accepted and answer.odds_milli != odds_milli
        ):
            wrong.append(bet_id)
    if not wrong:
        return []
    return [f"{len(wrong)} answers differ from what is booked, first bet {wrong[0]}"]


def contradicted_slips(slips: Rows, received: Mapping[int, ReceivedSlip]) -> list[str]:
    """Describe the answers on slips of several legs that differ from their accounts' rows.

    An accepted slip stands with the odds that its bettor was told; a refused one does not stand.
    """
    places = {bet_id: at for at, bet_id in enumerate(slips["bet_id"].tolist())}
    wrong = []
    for bet_id, answer in received.items():
        at = places.get(bet_id, -1)
        head = slips[at] if at >= 0 and slips[at]["kind"] == SlipKind.HEAD else None
        stands = head is not None and head["state"] in (SlipState.ACCEPTED, SlipState.SETTLED)
        if answer.accepted != stands:
            wrong.append(bet_id)
        elif answer.accepted:
            legs = slips[at + 1 : at + 1 + int(slips[at]["legs"])]
            answered = (list(answer.market_nos), list(answer.odds_milli))
            if answered != (legs["market_no"].tolist(), legs["odds_milli"].tolist()):
                wrong.append(bet_id)
    if not wrong:
        return []
    return [f"{len(wrong)} answers on slips differ from what is booked, first slip {wrong[0]}"]


def slips_paid(heads: Rows, expected: Sequence[int]) -> Check:
    """Compare what each slip of several legs was paid with what its lines are owed."""
    stand = np.isin(heads["state"], (SlipState.ACCEPTED, SlipState.SETTLED)).tolist()
    settled = (heads["state"] == SlipState.SETTLED).tolist()
    paid = heads["payout_minor"].tolist()
    wrong = [
        bet_id
        for at, bet_id in enumerate(heads["bet_id"].tolist())
        if (not settled[at] or paid[at] != expected[at] if stand[at] else paid[at] != 0)
    ]
    total = money(sum(paid))
    return Check(
        name="every slip is paid what its lines are owed",
        passed=not wrong,
        detail=f"{len(wrong)} are not, first slip {wrong[0]}"
        if wrong
        else f"{sum(stand):,} slips, {total} paid; refused ones nothing",
    )


def offers_given(slips: Rows, slip_bets: Mapping[ShardNo, Rows], costs: Mapping[int, int]) -> Check:
    """Compare what each offer cost its account with what its rule gives for the slips' legs."""
    figures = expected_figures(slips, slip_bets)
    wrong = [
        f"{NAMES[number]}: {money(costs.get(number, 0))}, by its rule {money(each.given_minor)}"
        for number, each in figures.items()
        if costs.get(number, 0) != each.given_minor
    ]
    given = [
        f"{each.slips:,} slips with {NAMES[number]}, {money(each.given_minor)}"
        for number, each in figures.items()
    ]
    return Check(
        name="every offer gave what its rule says",
        passed=not wrong,
        detail="; ".join(wrong or given),
    )


async def _offer_costs(system: System) -> dict[int, int]:
    """Return what each offer has given in all account shards, by its number."""
    costs: dict[int, int] = {}
    for name in _shells(system, "account"):
        for offer in decode_offers(await system.peer(name).ask("offers")):
            costs[offer.offer_no] = costs.get(offer.offer_no, 0) + offer.given_minor
    return costs


async def _charges(system: System, slips: Rows) -> Check:
    """Check that markets know what slips charge their legs, and that no released leg is charged."""
    due = await _accounts_with_charges(system)
    legs = slips[slips["kind"] == SlipKind.LEG]
    released = legs[legs["state"] == SlipState.RELEASED]
    charged = int((released["charged_minor"] != 0).sum())
    wrong = [f"{name} has charges that markets do not know" for name in due]
    if charged:
        wrong.append(f"{charged} released legs are charged")
    return Check(
        name="markets charge what slips say, and released legs nothing",
        passed=not wrong,
        detail="; ".join(wrong) or f"{len(legs):,} legs, {len(released):,} of them released",
    )


async def _accounts_with_charges(system: System) -> list[str]:
    """Return the account shells with charges that a market must still be told."""
    found = []
    for name in _shells(system, "account"):
        rows, after_bet_id = await system.peer(name).ask("charges", 0, 1)
        if rows or after_bet_id:
            found.append(name)
    return found


async def _replays(system: System, data_dir: Path) -> Check:
    unlike = []
    names = _shells(system, "market") + _shells(system, "account")
    for name in names:
        live = await system.peer(name).ask("state_hash")
        try:
            replayed = await asyncio.to_thread(replay_hash, data_dir / "shells" / name)
        except (JournalDamagedError, OSError) as error:
            unlike.append(f"{name}: {error}")
            continue
        if live != replayed:
            unlike.append(f"{name}: live {live}, replayed {replayed}")
    return Check(
        name="replaying every journal gives the live state's hash",
        passed=not unlike and bool(names),
        detail="; ".join(unlike) or f"{len(names)} journals",
    )


async def same_as_journal(system: System, shell: str, data_dir: Path) -> tuple[bool, str]:
    """Compare the state of a market shell that takes bets with its journal.

    The state hash is read twice around the journal's sequence number until both readings agree; the
    journal is then replayed up to that record.

    Returns
    -------
    tuple of bool and str
        Whether both states are equal, and the live state's hash.
    """
    peer = system.peer(shell)
    for _ in range(_TRIES_MAX):
        before = await peer.ask("state_hash")
        seq = decode_health(await peer.ask("tick")).seq
        if before == await peer.ask("state_hash"):
            break
        await asyncio.sleep(0)
    else:
        return False, "the market's state changed during every reading"
    folder = data_dir / "shells" / shell
    replay = await asyncio.to_thread(rebuild, LocalDisk(), folder, MarketReplay, before_seq=seq + 1)
    return replay is not None and replay.machine.state_hash() == before, before


def _shells(system: System, kind: str) -> list[str]:
    return [shell.name for shell in system.routes.shells.values() if shell.kind == kind]


async def market_records(system: System, shell: str) -> Rows:
    """Return all records (BET_RECORD rows) of a market shell."""
    return await _pages(system, shell, "bets", BET_RECORD)


async def _rows(system: System, kind: str, method: str, dtype: "np.dtype[Any]") -> Rows:
    """Return all rows of every shell of a kind."""
    pages = [await _pages(system, name, method, dtype) for name in _shells(system, kind)]
    return np.concatenate([np.zeros(0, dtype), *pages])


async def _pages(system: System, shell: str, method: str, dtype: "np.dtype[Any]") -> Rows:
    """Return all rows that a method of a shell gives page by page."""
    pages: list[Rows] = []
    while not pages or len(pages[-1]) == AUDIT_ROWS_MAX:
        data = await system.peer(shell).ask(method, sum(map(len, pages)), AUDIT_ROWS_MAX)
        pages.append(np.frombuffer(data, dtype))
    return np.concatenate(pages)


def refusal_lines(found: Audit, slips: SlipFigures) -> list[str]:
    """Return the markets' refusals with their counts, the most frequent first.

    Of slips it says as well for what their legs were refused.
    """
    legs = ", ".join(f"{text} {count}" for count, text in _ranked(slips.leg_refusals))
    reason_of_slips = reason_text(Reason.LEG_REFUSED)
    return pad(
        [
            (count, f"{text}: {legs}" if text == reason_of_slips else text)
            for count, text in _ranked(found.refusals)
        ]
    )


def _ranked(refusals: Mapping[int, int]) -> list[tuple[str, str]]:
    """Return counts and reasons as texts, the most frequent first."""
    ranked = sorted(refusals.items(), key=lambda item: -item[1])
    return [(f"{count:,}", reason_text(Reason(reason))) for reason, count in ranked]
