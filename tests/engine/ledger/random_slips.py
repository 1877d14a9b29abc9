"""Seeded random input for a ledger with slips of several legs among singles."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product
from random import Random

import numpy as np

from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.commands import Deposit, LedgerCommand, OpenAccount, SetRate
from engine.common.payout_bounds import SetAccountBound, SetCombinationBound, SetPayoutBound
from engine.common.reasons import Reason
from engine.common.rows import CHARGE, DECISION, RESERVATION, SETTLEMENT, SLIP_BET, Rows, SlipKind
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import SHARD, bet, reservation
from tests.engine.ledger.slip_builders import Leg, LineBet, SlipRequest

LEG_REFUSALS = (Reason.ODDS_CHANGED, Reason.STAKE_OVER_LIMIT, Reason.FENCED, Reason.UNAVAILABLE)
ODDS = (1_001, 1_333, 1_500, 2_000, 2_500, 3_750, 12_000)
ACCOUNTS = (0, 5, 10, 15)


@dataclass
class SlipTurn:
    """The input of a shard between two checks."""

    at_ns: int
    commands: list[LedgerCommand]
    verdicts: Rows
    reservations: Rows
    slip_bets: Rows
    settlements: Rows
    charges: Rows

    @property
    def steps(self) -> int:
        rows = (self.verdicts, self.reservations, self.settlements, self.charges)
        return len(self.commands) + sum(map(len, rows))


def slip_turns(seed: int, ledger: LedgerMachine, *, size: int = 24) -> Iterator[SlipTurn]:
    """Yield turns without end, whose verdicts and settlements name bets that the ledger gave."""
    random, of_accounts = Random(seed), Random(f"accounts of {seed}")
    past: list[tuple[Rows, Rows]] = []
    known: list[Rows] = []
    at_ns = 1_000
    while True:
        at_ns += random.randrange(50)
        slips = ledger.slips()
        reservations, slip_bets = _reservations(random, past, random.randrange(size // 3))
        charges = _charges(random, ledger, known)
        yield SlipTurn(
            at_ns,
            [
                *(_command(random, len(slips)) for _ in range(random.randrange(4))),
                *_account_changes(of_accounts),
            ],
            _verdicts(random, slips, random.randrange(size)),
            reservations,
            slip_bets,
            _settlements(random, slips, random.randrange(size)),
            charges,
        )


# --- slips ---------------------------------------------------------------------------------------


def random_request(random: Random, ref: str) -> SlipRequest:
    """Return a slip that is mostly sound: ways, shared events, bankers, several bets, bounds."""
    count = random.choice((1, 2, 2, 3, 3, 3, 4, 5))
    shared = random.random() < 0.3
    ways = random.random() < 0.3
    legs = [
        Leg(
            random.choice(ODDS),
            market_no=random.randrange(1, 4),
            outcome=random.randrange(2),
            event=random.randrange(count) if shared else -1,
            position=random.randrange(count) if ways else -1,
        )
        for _ in range(count)
    ]
    places = [number if leg.position < 0 else leg.position for number, leg in enumerate(legs)]
    positions = sorted(set(places))
    bets = [_line_bet(random, positions, whole=number == 0) for number in range(_few(random))]
    events = [number if leg.event < 0 else leg.event for number, leg in enumerate(legs)]
    lines = [line_count(each, places, events) for each in bets]
    stake_minor = sum(each.stake_minor * n for each, n in zip(bets, lines, strict=True))
    policy = random.choice((0, 1, 2, 2, 3, 4))
    account_no = random.choice(ACCOUNTS)
    return SlipRequest(legs, bets, max(stake_minor, 1), ref, account_no, policy)


def _few(random: Random) -> int:
    return random.choice((1, 1, 1, 2, 3))


def _line_bet(random: Random, positions: list[int], *, whole: bool) -> LineBet:
    over = positions if whole else random.sample(positions, random.randrange(1, len(positions) + 1))
    bankers = random.sample(over, random.randrange(len(over))) if random.random() < 0.2 else []
    free = len(over) - len(bankers)
    least = 0 if bankers else 1
    allowed = range(least, free + 1)
    sizes = random.sample(allowed, random.randrange(1, len(allowed) + 1))
    if random.random() < 0.4:
        sizes = [free]
    bound = random.choice((0, 0, 0, 0, 50, 300, 2_000, 10**9))
    return LineBet(random.choice((1, 3, 10, 17)), tuple(sizes), tuple(over), tuple(bankers), bound)


def line_count(bet: LineBet, places: list[int], events: list[int]) -> int:
    """Return how many lines a bet has, by their definition."""
    free = [position for position in bet.positions if position not in bet.bankers]
    count = 0
    for size in bet.sizes:
        for chosen in combinations(free, size):
            ways = [
                [event for place, event in zip(places, events, strict=True) if place == position]
                for position in (*bet.bankers, *chosen)
            ]
            count += sum(len(set(line)) == len(line) > 0 for line in product(*ways))
    return count


def _reservations(random: Random, past: list[tuple[Rows, Rows]], count: int) -> tuple[Rows, Rows]:
    rows, bets = [np.zeros(0, RESERVATION)], [np.zeros(0, SLIP_BET)]
    for _ in range(count):
        if past and random.random() < 0.3:
            own, own_bets = random.choice(past)
            if random.random() < 0.3:
                own, own_bets = own.copy(), own_bets.copy()
                _alter(random, own, own_bets)
        else:
            own, own_bets = _fresh(random)
        past.append((own, own_bets))
        rows.append(own)
        bets.append(own_bets)
    del past[:-60]
    given, given_bets = np.concatenate(rows), np.concatenate(bets)
    if len(given_bets) and random.random() < 0.03:
        given_bets = given_bets[:-1]
    if len(given) > 1 and random.random() < 0.03:
        given = np.delete(given, random.randrange(len(given)))
    return given, given_bets


def _fresh(random: Random) -> tuple[Rows, Rows]:
    ref = f"r{random.randrange(1 << 60):x}"
    if random.random() < 0.3:
        single = reservation(
            ref,
            account_no=random.choice((*ACCOUNTS, 20)),
            stake_minor=random.randrange(1, 90),
            odds_milli=random.choice(ODDS),
            market_no=random.randrange(1, 4),
        )
        return single, np.zeros(0, SLIP_BET)
    request = random_request(random, ref)
    if random.random() < 0.05:
        request = replace(request, stake_minor=request.stake_minor + random.choice((-1, 1)))
    if random.random() < 0.05:
        request = replace(request, account_no=20)
    return request.rows(), request.bet_rows()


def _alter(random: Random, rows: Rows, bets: Rows) -> None:
    """Change one field of a repeated reservation."""
    at = random.randrange(len(rows))
    if len(bets) and random.random() < 0.3:
        name = random.choice(("stake_minor", "payout_minor_max", "sizes", "positions", "bankers"))
        bets[name][random.randrange(len(bets))] ^= 1
        return
    name = random.choice(("stake_minor", "market_no", "odds_milli", "outcome", "policy", "ref"))
    if name == "ref":
        rows["ref"][at][random.randrange(4)] ^= np.uint64(1)
    elif name in ("market_no", "outcome") and at == 0 and len(bets):
        rows["odds_milli"][0] ^= 1
    else:
        rows[name][at] ^= 1


# --- what comes from markets ---------------------------------------------------------------------


def _bet(random: Random, slips: Rows) -> tuple[int, Rows | None]:
    """Return mostly a recent bet with its row, sometimes any, sometimes an id that no slip has."""
    if len(slips) == 0 or random.random() < 0.02:
        return random.choice((0, (SHARD << 48), bet(len(slips) + 3), (1 << 64) - 1)), None
    recent = max(0, len(slips) - 40) if random.random() < 0.8 else 0
    row = slips[random.randrange(recent, len(slips))]
    return int(row["bet_id"]), row


def _verdicts(random: Random, slips: Rows, count: int) -> Rows:
    rows = np.zeros(count, DECISION)
    for row in rows:
        row["bet_id"], slip = _bet(random, slips)
        seen = 2_000 if slip is None else int(slip["odds_seen_milli"])
        moved = random.choice((0, 0, 0, 0, 0, 100, 900, 4_000, -50))
        row["odds_milli"] = max(seen + moved, 1_001)
        if random.random() < 0.02 and slip is not None and slip["kind"] == SlipKind.LEG:
            row["odds_milli"] = random.choice((0, -1, 1_000, 10_000_001))
        row["reason"] = 0 if random.random() < 0.9 else random.choice(LEG_REFUSALS)
        row["stake_max_minor"] = random.randrange(500)
    return rows


def fraction_of(random: Random, odds_milli: int) -> tuple[int, int, int]:
    """Return numerator, denominator and result of a leg at these odds."""
    return random.choice(
        (
            (odds_milli, 1_000, 1),
            (odds_milli, 1_000, 1),
            (odds_milli, 1_000, 1),
            (0, 1, 2),
            (0, 1_000, 2),
            (1, 1, 3),
            (7, 7, 6),
            (odds_milli + 1_000, 2_000, 4),
            (1, 2, 5),
            (odds_milli, 3_000, 1),
            (1_000_000 + (odds_milli - 1_000) * 650, 1_000_000, 1),
        )
    )


def _settlements(random: Random, slips: Rows, count: int) -> Rows:
    rows = np.zeros(count, SETTLEMENT)
    for row in rows:
        row["bet_id"], slip = _bet(random, slips)
        row["settlement_no"] = random.choice((0, 1, 1, 1, 2, 3, random.randrange(9)))
        row["odds_milli"] = 0 if slip is None else random.choice((0, int(slip["odds_milli"])))
        row["result"] = random.randrange(1, 7)
        if slip is not None and slip["kind"] == SlipKind.LEG:
            fraction = fraction_of(random, int(slip["odds_milli"]))
            row["payout_minor"], row["back_den"], row["result"] = fraction
            if random.random() < 0.03:
                row["payout_minor"] = int(row["back_den"]) * 20
                row["flags"] = (0, 1, 0, 2)[row["bet_id"] % 4]
                if row["flags"]:
                    row["payout_minor"] = int(row["back_den"]) * 6
        elif random.random() < 0.6:
            row["payout_minor"] = random.randrange(300)
        if random.random() < 0.2:
            row["result"] = row["payout_minor"] = 0
        if random.random() < 0.02:
            row["back_den"] = 0 if row["back_den"] else 1
    return rows


def _charges(random: Random, ledger: LedgerMachine, known: list[Rows]) -> Rows:
    """Return charges to acknowledge: some that are due, and some of earlier, in any order."""
    if random.random() < 0.6:
        known.append(ledger.charges(limit=random.choice((1, 4, 100))).rows)
    del known[:-6]
    parts = [each for each in known if random.random() < 0.4]
    rows: Rows = np.concatenate([np.zeros(0, CHARGE), *parts])
    order = list(range(len(rows)))
    random.shuffle(order)
    return rows[order]


def _account_changes(random: Random) -> Iterator[LedgerCommand]:
    """Yield now and then a change of an account; blocks are short."""
    if random.random() < 0.1:
        factor_milli = random.choice((10, 250, 1_000, 10_000))
        yield SetAccountFactor(account_no=random.choice(ACCOUNTS), factor_milli=factor_milli)
    if random.random() < 0.4:
        blocked = random.random() < 0.08
        yield BlockAccount(account_no=random.choice(ACCOUNTS), blocked=blocked)


def _command(random: Random, made: int) -> LedgerCommand:
    draw = random.random()
    if draw < 0.1:
        rate_micro = random.choice((1_000_000, 1_000_000, 730_000, 1_300_001))
        return SetRate(currency=random.choice(("EUR", "GBP")), rate_micro=rate_micro)
    if draw < 0.12:
        return SetPayoutBound(open_payout_minor_max=random.choice((0, 0, 0, 0, 0, 40_000)))
    if draw < 0.13:
        most_minor = random.choice((0, 12_000))
        return SetCombinationBound(combination_payout_minor_max=most_minor)
    if draw < 0.15:
        most_minor = random.choice((0, 0, 0, 0, 0, 4_000))
        return SetAccountBound(account_no=random.choice(ACCOUNTS), open_payout_minor_max=most_minor)
    if draw < 0.3:
        currency = random.choice(("EUR", "GBP"))
        return OpenAccount(account_no=random.choice(ACCOUNTS), currency=currency)
    amount_minor = random.choice((100, 500, random.randrange(1, 2_000)))
    ref = f"t{random.randrange(50 + made)}"
    return Deposit(account_no=random.choice(ACCOUNTS), amount_minor=amount_minor, ref=ref)
