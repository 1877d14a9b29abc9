"""Random slips: ways, bankers, shared events, and legs in every state."""

from hypothesis import strategies as st

from engine.common.units import DEAD_HEAT_DEN_MAX, ODDS_MILLI_MAX, ODDS_MILLI_MIN, STAKE_MINOR_MAX
from tests.engine.slips.twin import TwinBet, TwinLeg

odds_milli = st.one_of(
    st.sampled_from([ODDS_MILLI_MIN, 1_500, 2_000, 3_333, ODDS_MILLI_MAX]),
    st.integers(ODDS_MILLI_MIN, 30_000),
    st.integers(ODDS_MILLI_MIN, ODDS_MILLI_MAX),
)
stakes_minor = st.one_of(st.integers(1, 5_000), st.integers(1, STAKE_MINOR_MAX))


@st.composite
def backs(draw: st.DrawFn) -> tuple[int, int] | None:
    """What one leg gives back for each unit of stake, as a market may state it, or None: open."""
    kind = draw(
        st.sampled_from(["won", "won", "won", "lost", "void", "half", "tied", "cut", "open"])
    )
    if kind == "open":
        return None
    if kind in {"lost", "void"}:
        return (0 if kind == "lost" else 1, draw(st.sampled_from([1, 1000, 128_000_000])))
    num, den = draw(odds_milli), 1_000
    if kind == "half":
        halves = draw(st.sampled_from([num + den, den]))
        return halves, 2 * den
    if kind == "cut":
        keep_milli = draw(st.integers(100, 1_000))
        num, den = 1_000_000 + (num - 1_000) * keep_milli, 1_000_000
    if kind == "tied":
        tied = draw(st.integers(1, DEAD_HEAT_DEN_MAX))
        num, den = num * draw(st.integers(1, tied)), den * tied
        if draw(st.booleans()):
            num, den = num + den, 2 * den
    return num, den


@st.composite
def legs(draw: st.DrawFn, legs_max: int = 8) -> list[TwinLeg]:
    count = draw(st.integers(1, legs_max))
    positions = [0]
    for _ in range(count - 1):
        new = draw(st.integers(0, 3)) > 0
        positions.append(max(positions) + 1 if new else draw(st.sampled_from(positions)))
    spread = draw(st.sampled_from([1, 9]))  # Shift them, so that the highest numbers are met too.
    return [
        TwinLeg(
            position=place * spread % 63,
            event=draw(st.integers(0, i)) if draw(st.integers(0, 3)) == 0 else i + 55 * (i > 5),
            back=draw(backs()),
        )
        for i, place in enumerate(draw(st.permutations(positions)))
    ]


@st.composite
def slips(draw: st.DrawFn, legs_max: int = 8) -> tuple[list[TwinLeg], list[TwinBet]]:
    chosen = draw(legs(legs_max))
    places = sorted({leg.position for leg in chosen})
    bets = []
    for _ in range(draw(st.integers(1, 3))):
        over = draw(st.sets(st.sampled_from(places), min_size=1))
        bankers = draw(st.sets(st.sampled_from(sorted(over)), max_size=len(over) // 2))
        free = len(over) - len(bankers)
        sizes = draw(st.sets(st.integers(0 if bankers else 1, free), min_size=1))
        bets.append(
            TwinBet(draw(stakes_minor), frozenset(sizes), frozenset(over), frozenset(bankers))
        )
    return chosen, bets
