"""Judge a run: compare journals, accounts, markets and what every client was told, bet by bet.

Owns the judgement. It rebuilds the markets from their journals and the accounts from their slips,
shares no code with the engine's decisions, and never repairs anything. An empty list of faults
means that the run kept every promise.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from actors.messages import (
    BalanceQuery,
    StatusQuery,
    decode_balance,
    decode_health,
    decode_offers,
    decode_slip,
    decode_totals,
    encode,
)
from engine.common.events import MarketSuspended
from engine.common.reasons import Reason
from engine.common.rows import SlipKind, SlipState
from engine.ledger.rows import SLIP
from persistence.recovery import replay_hash
from tests.faults.faulty_disk import FaultyDisk
from tests.simulator.account_model import ShardModel
from tests.simulator.clients import Received
from tests.simulator.journals import BrokenOrderError, all_files, records_of
from tests.simulator.market_model import ShellModel
from tests.simulator.one_market import AcceptedBet, MarketModel
from tests.simulator.settings import FOLDER, currency_of
from tests.simulator.slip_audit import SlipAudit, content_booked, content_sent
from tests.simulator.slip_model import SlipModel
from tests.simulator.story import PlaceSlip
from tests.simulator.wait_audit import WaitAudit
from tests.simulator.world import World

_RESULT_CANCELLED = 6


class Audit:
    """The audit of one run; `faults` lists what is wrong, each with the bet or shell concerned."""

    def __init__(self, world: World) -> None:
        self.faults: list[str] = []
        self._world = world
        self._shells = {
            name: process.callee.target for name, process in world.launcher.processes.items()
        }
        self._models: dict[str, ShellModel] = {}
        self._shards: dict[str, ShardModel] = {}
        self._slips: dict[int, Any] = {}
        """Rows of singles and of heads of slips; legs are in `rows` alone."""
        self.rows: dict[int, Any] = {}
        """Rows of the accounts' slips of every kind, by bet id."""
        self._sent: dict[tuple[int, str], set[Any]] = defaultdict(set)
        """What clients sent under each ref."""
        self._by_ref: dict[tuple[int, str], Any] = {}

    def run(self) -> list[str]:
        self.faults += self._world.trouble
        self.faults += [f"a defect: {each}" for each in self._world.loop.defects]
        if self._world.trouble:
            return self.faults
        self._read_journals()
        self._read_slips()
        self._check_bets()
        self._check_money()
        self._check_answers()
        record = self._world.clients.record
        stops = self._world.house.stops
        WaitAudit(self._models.values(), self._shells, record, stops, self._fault).run()
        self._check_order()
        self._check_replays()
        return self.faults

    def _fault(self, what: str) -> None:
        self.faults.append(what)

    # --- reading ---------------------------------------------------------------------------------

    def _read_journals(self) -> None:
        for name in self._shells:
            account = name.startswith("account")
            model: Any = ShardModel(name) if account else ShellModel(name)
            (self._shards if account else self._models)[name] = model
            try:
                for record in records_of(self._world.launcher.disks[name], shell=name):
                    model.read(record)
            except BrokenOrderError as error:
                self._fault(f"{name}: {error}")
            self.faults += model.faults

    def _read_slips(self) -> None:
        for name, shell in self._shells.items():
            if not name.startswith("account"):
                continue
            rows = np.frombuffer(shell.slips(0, 1 << 20), SLIP)
            refs = [row.tobytes().rstrip(b"\0").decode() for row in rows["ref"]]
            for row, ref in zip(rows, refs, strict=True):
                slip = {field: row[field].item() for field in _SLIP_FIELDS}
                bet_id, key = slip["bet_id"], (slip["account_no"], ref)
                if bet_id in self.rows:
                    self._fault(f"bet {bet_id} has two slips")
                self.rows[bet_id] = slip
                if slip["kind"] == SlipKind.LEG:
                    continue
                if key in self._by_ref:
                    self._fault(f"ref {ref} of account {key[0]} has two slips")
                slip["ref"] = ref
                self._slips[bet_id] = self._by_ref[key] = slip

    # --- bets ------------------------------------------------------------------------------------

    def _check_bets(self) -> None:
        """Compare every accepted bet with its slip, and its slip with the market's results."""
        accepted: dict[int, tuple[AcceptedBet, MarketModel]] = {}
        for model in self._models.values():
            for bet_id, bet in model.accepted.items():
                if bet_id in accepted:
                    self._fault(f"bet {bet_id} was accepted by two shells")
                accepted[bet_id] = (bet, model.markets[bet.market])
        self._check_factors(bet for bet, _ in accepted.values())
        for bet_id, (bet, market) in accepted.items():
            slip = self.rows.get(bet_id)
            if slip is None:
                self._fault(f"bet {bet_id}: accepted by its market, no slip in its account")
            elif slip["kind"] == SlipKind.SINGLE:
                self._check_slip(slip, bet, market)
        for bet_id, slip in self._slips.items():
            state = slip["state"]
            if slip["kind"] != SlipKind.SINGLE:
                continue
            if state == SlipState.PENDING:
                self._fault(f"bet {bet_id} ({slip['ref']}) is not resolved")
            elif state != SlipState.REFUSED and bet_id not in accepted:
                self._fault(f"bet {bet_id} ({slip['ref']}) stands, and no market accepted it")
        shards = self._shards.values()
        SlipAudit(self.rows, shards, accepted, self._fault, self._added).run()

    def _check_factors(self, accepted: Iterable[AcceptedBet]) -> None:
        """Check that markets decided bets by factors that their accounts gave them."""
        given: dict[int, set[int]] = {}
        for shard in self._shards.values():
            given |= shard.factors_given
        for bet in accepted:
            known = given.get(bet.bet_id, set())
            if bet.factor not in known:
                self._fault(f"bet {bet.bet_id} was decided by factor {bet.factor}, not of {known}")

    def _added(self, account: int, ref: str) -> int:
        """Return what the offer of a slip has given, as its account says."""
        shell = self._shells[self._world.account_shell(account)]
        slip = decode_slip(shell.query(encode(StatusQuery(account_no=account, ref=ref))))
        return slip.offer.added_minor

    def _check_slip(self, slip: Any, bet: Any, market: Any) -> None:
        what = f"bet {bet.bet_id} ({slip['ref']})"
        if slip["state"] == SlipState.REFUSED:
            self._fault(f"{what} was accepted by its market and is refused in its account")
            return
        for field, value in (
            ("stake_minor", bet.stake),
            ("odds_milli", bet.odds),
            ("outcome", bet.outcome),
            ("market_no", bet.market),
            ("account_no", bet.account),
        ):
            if slip[field] != value:
                self._fault(f"{what}: {field} {slip[field]} in its account, {value} in its market")
        payback = market.payback(bet)
        if payback is None:
            if slip["state"] != SlipState.ACCEPTED:
                self._fault(f"{what} is settled in its account and open in its market")
        elif slip["state"] != SlipState.SETTLED:
            self._fault(f"{what} is settled by its market and open in its account")
        elif slip["payout_minor"] != payback:
            self._fault(f"{what} got {slip['payout_minor']} instead of {payback}")
        elif (slip["result"] == _RESULT_CANCELLED) != market.refunded(bet):
            self._fault(f"{what} has the result {slip['result']}")

    # --- money -----------------------------------------------------------------------------------

    def _check_money(self) -> None:
        """Rebuild each account from transfers and slips; every currency sums to zero."""
        available: dict[int, int] = defaultdict(int)
        pending: dict[int, int] = defaultdict(int)
        at_stake: dict[int, int] = defaultdict(int)
        external: dict[str, int] = defaultdict(int)
        for account, _, amount, applied in self._world.house.deposits:
            available[account] += amount if applied else 0
        house: dict[str, int] = defaultdict(int)
        for account, _, amount, applied in self._world.house.deposits:
            external[currency_of(account)] += amount if applied else 0
        for slip in self._slips.values():
            account, stake, state = slip["account_no"], slip["stake_minor"], slip["state"]
            if state == SlipState.REFUSED:
                continue
            available[account] -= stake
            pending[account] += stake if state == SlipState.PENDING else 0
            at_stake[account] += stake if state == SlipState.ACCEPTED else 0
            model = self._model_of(slip)
            available[account] += model.added if model is not None else 0
            if state == SlipState.SETTLED:
                available[account] += slip["payout_minor"]
                house[currency_of(account)] += stake - slip["payout_minor"]
        for account in range(1, self._world.layout.accounts + 1):
            shell = self._shells[self._world.account_shell(account)]
            balance = decode_balance(shell.query(encode(BalanceQuery(account_no=account))))
            if balance is None:
                self._fault(f"account {account} is gone")
                continue
            held = self._shards[self._world.account_shell(account)].balance.get(account, 0)
            if held != balance.available_minor - balance.owed_minor:
                self._fault(f"account {account} holds {balance}, its journal says {held}")
            self._check_free_bets(account, balance)
            real = (
                balance.available_minor - balance.owed_minor,
                balance.pending_minor,
                balance.at_stake_minor,
            )
            due = (available[account], pending[account], at_stake[account])
            if real != due:
                self._fault(f"account {account} holds {real}, its slips and transfers say {due}")
            if balance.available_minor < 0 or balance.owed_minor < 0:
                self._fault(f"account {account} has a negative figure: {balance}")
        for name, shell in self._shells.items():
            if name.startswith("account"):
                disputes = decode_health(shell.tick()).disputes
                if disputes:
                    self._fault(f"{name}: {disputes} settlements are in dispute")
                costs = {each.offer_no: each.given_minor for each in decode_offers(shell.offers())}
                if costs != self._shards[name].offers.costs():
                    self._fault(f"{name}: its offers have given {costs}, its journal disagrees")
                for total in decode_totals(shell.totals()):
                    house[total.currency] -= total.house_minor
                    external[total.currency] += total.external_minor
                    if _sum(total):
                        self._fault(f"{name}: the ledger sums to {_sum(total)}: {total}")
        if any(house.values()):
            self._fault(f"the house account differs by {dict(house)} from what the slips say")
        if any(external.values()):
            self._fault(f"the external account differs by {dict(external)} from the transfers")

    def _check_free_bets(self, account: int, balance: Any) -> None:
        """Compare what is left of an account's free bets with its journal."""
        left = {each.free_bet: each.left_minor for each in balance.free_bets}
        due = self._shards[self._world.account_shell(account)].offers.left_of(account)
        if left != due:
            self._fault(f"account {account} has {left} of free bets, its journal says {due}")

    # --- clients ---------------------------------------------------------------------------------

    def _check_answers(self) -> None:
        """Compare what clients were told with the slips, and the answers with one another."""
        sent = self._sent
        for each in self._world.clients.record.sent:
            bet = each.bet
            if isinstance(bet, PlaceSlip):
                content: Any = content_sent(bet, self._world.layout)
            else:
                content = (bet.market, bet.outcome, bet.stake, bet.odds)
            sent[bet.account, bet.ref].add(content)
        for key, slip in self._by_ref.items():
            model = self._model_of(slip)
            fields = ("market_no", "outcome", "stake_minor", "odds_seen_milli")
            booked: Any = tuple(slip[field] for field in fields)
            if model is not None and model.legs:
                booked = content_booked(model)
            if booked not in sent[key]:
                self._fault(f"the slip of {key} is none of the bets that its client sent")
        accepted_s: dict[tuple[int, str], float] = {}
        for answer in self._world.clients.record.received:
            key = (answer.account, answer.ref)
            self._check_answer(answer, self._by_ref.get(key), accepted_s.get(key))
            if answer.kind == "bet" and answer.state == "accepted":
                accepted_s.setdefault(key, answer.at_s)

    def _model_of(self, slip: Any) -> SlipModel | None:
        shard = self._shards[self._world.account_shell(slip["account_no"])]
        return shard.slips.get(slip["bet_id"])

    def _check_answer(self, answer: Received, slip: Any, accepted_s: float | None) -> None:
        what = f"account {answer.account} was told that {answer.ref} is {answer.state}"
        after = accepted_s is not None and answer.sent_s > accepted_s
        # What else was sent under the ref is refused for the ref, or for the structure of a slip.
        elsewise = len(self._sent[answer.account, answer.ref]) > 1 and not answer.final
        other = {603, *range(201, 210)} if elsewise else {603}
        if after and answer.state == "rejected" and answer.reason not in other:
            self._fault(f"{what} ({answer.reason}) after it was accepted")
        if after and answer.kind == "status" and answer.state == "none" and answer.reason == 606:
            self._fault(f"{what} after it was accepted")
        if after and answer.state == "pending" and not self._world.story.faults:
            self._fault(f"{what} after it was accepted, and nothing was amiss")
        if not answer.final:
            return
        if slip is None:
            self._fault(f"{what} (bet {answer.bet_id}), and its account has no such bet")
            return
        if slip["bet_id"] != answer.bet_id:
            self._fault(f"{what} as bet {answer.bet_id}, and it is bet {slip['bet_id']}")
            return
        stands = slip["state"] in (SlipState.ACCEPTED, SlipState.SETTLED)
        if stands != (answer.state in ("accepted", "settled")):
            self._fault(f"{what} ({answer.reason}), and its slip has the state {slip['state']}")
        elif stands and answer.odds != slip["odds_milli"]:
            self._fault(f"{what} at {answer.odds}, and its slip says {slip['odds_milli']}")
        elif not stands and answer.reason != slip["reason"]:
            self._fault(f"{what} for {answer.reason}, and its slip says {slip['reason']}")
        if answer.legs:
            self._check_leg_answers(what, answer, slip["bet_id"], stands=stands)

    def _check_leg_answers(self, what: str, answer: Received, head: int, *, stands: bool) -> None:
        """Compare what a client was told of a slip's legs with the legs' rows.

        A leg that was pending when the slip was refused may have ended otherwise since.
        """
        for number, (odds, reason) in enumerate(answer.legs, start=1):
            row = self.rows.get(head + number)
            if row is None or row["kind"] != SlipKind.LEG:
                self._fault(f"{what} with {len(answer.legs)} legs")
                return
            if stands and (odds != row["odds_milli"] or reason):
                self._fault(f"{what}, leg {number} at {odds} ({reason}); it is {row}")
            refused = answer.kind == "bet" and not reason and row["state"] == SlipState.REFUSED
            if refused or reason not in (0, Reason.UNKNOWN, row["reason"]):
                self._fault(f"{what}, leg {number} for {reason}; it is {row}")

    # --- order -----------------------------------------------------------------------------------

    def _check_order(self) -> None:
        """Check that what was answered before something else began stands before it in the journal.

        The history of a shell is then strictly serialisable in the order of (epoch, sequence).
        """
        begun: dict[tuple[int, str], float] = {}
        for sent in self._world.clients.record.sent:
            begun.setdefault((sent.bet.account, sent.bet.ref), sent.at_s)
        spans: dict[str, list[tuple[float, float, int, str]]] = defaultdict(list)
        answered: dict[tuple[int, str], float] = {}
        for answer in self._world.clients.record.received:
            if answer.kind == "bet" and answer.state == "accepted":
                answered.setdefault((answer.account, answer.ref), answer.at_s)
        for key, slip in self._by_ref.items():
            if key not in answered:
                continue
            what, span = f"bet {slip['bet_id']}", (begun[key], answered[key])
            reserved = self._model_of(slip)
            if reserved is None:
                continue
            account = self._world.account_shell(slip["account_no"])
            spans[account].append((*span, reserved.seq, what))
            if any(leg.odds != leg.odds_seen for leg in reserved.legs):
                # Only its account can say whether it is accepted so.
                spans[account].append((*span, reserved.decided_seq, f"the verdict on {what}"))
            for bet_id in [leg.bet_id for leg in reserved.legs] or [slip["bet_id"]]:
                for name, model in self._models.items():
                    decision = model.decisions.get(bet_id)
                    if decision is not None:
                        spans[name].append((*span, decision[2], what))
        for done in self._world.clients.record.commanded:
            if isinstance(done.event, MarketSuspended):
                name = self._world.shell_of[done.event.market_no]
                seq = self._models[name].suspended_seq.get(done.event.why, 0)
                if seq == 0:
                    self._fault(
                        f"{name}: suspension {done.event.why} was answered and not recorded"
                    )
                    continue
                spans[name].append((done.sent_s, done.at_s, seq, f"suspension {done.event.why}"))
        for name, listed in spans.items():
            self._check_spans(name, listed)

    def _check_spans(self, name: str, spans: list[tuple[float, float, int, str]]) -> None:
        ended = sorted(spans, key=lambda span: span[1])
        latest, at = (0, ""), 0
        for begun_s, _, seq, what in sorted(spans):
            while at < len(ended) and ended[at][1] < begun_s:
                latest = max(latest, ended[at][2:])
                at += 1
            if seq < latest[0]:
                self._fault(
                    f"{name}: {what} of record {seq} began after {latest[1]} of record "
                    f"{latest[0]} was answered"
                )

    # --- replays ---------------------------------------------------------------------------------

    def _check_replays(self) -> None:
        """Check that a replay of each journal gives the state of its shell."""
        for name, shell in self._shells.items():
            folder = Path(f"{FOLDER}/shells/{name}")
            disk = self._world.launcher.disks[name]
            whole = FaultyDisk.of(all_files(disk)) if disk.archive else None
            for each in filter(None, (disk, whole)):
                try:
                    replayed = replay_hash(folder, disk=each)
                except Exception as error:
                    self._fault(f"{name}: its journal cannot be replayed: {error!r}")
                    continue
                if replayed != shell.state_hash():
                    self._fault(f"{name}: a replay of its journal gives another state")


_SLIP_FIELDS = (
    "bet_id",
    "stake_minor",
    "payout_minor",
    "account_no",
    "market_no",
    "odds_milli",
    "odds_seen_milli",
    "outcome",
    "reason",
    "state",
    "result",
    "kind",
    "charged_minor",
    "charge_no",
    "held",
    "bets",
)


def _sum(total: Any) -> int:
    return (
        total.external_minor
        + total.available_minor
        + total.pending_minor
        + total.at_stake_minor
        + total.owed_minor
        + total.house_minor
        + total.offers_minor
    )
