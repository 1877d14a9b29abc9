"""What one person has moved on one market in a window is added up, and no more than may be."""

from hypothesis import given
from hypothesis import strategies as st

from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.common.units import Minor, Nanos
from engine.desk import moved_money
from engine.desk.moved_money import MovedMoney

MOST, WINDOW = Minor(100), Nanos(50)
MOVES = st.lists(
    st.tuples(
        st.integers(0, 20),  # nanoseconds since the one before
        st.sampled_from(["anna", "bob"]),
        st.sampled_from([MarketNo(1), MarketNo(2)]),
        st.integers(0, 60).map(Minor),
    ),
    max_size=40,
)


@given(MOVES)
def test_no_window_has_more_than_one_person_may_move(
    moves: list[tuple[int, str, MarketNo, Minor]],
) -> None:
    sums, at_ns = MovedMoney(), 0
    done: list[tuple[int, str, MarketNo, int]] = []
    for step, person, market, minor in moves:
        at_ns += step
        before = sum(
            moved
            for then, who, where, moved in done
            if (who, where) == (person, market) and then > at_ns - WINDOW
        )
        refused = sums.fault(
            person, market, minor, most_minor=MOST, at_ns=Nanos(at_ns), window_ns=WINDOW
        )
        assert (refused is not None) is (minor > 0 and before + minor > MOST)
        if refused is None:
            sums.note(person, market, minor, at_ns=Nanos(at_ns))
            done.append((at_ns, person, market, minor))
        else:
            assert refused.reason is Reason.APPROVAL_NEEDED
            assert f"{minor} are moved after {before}" in refused.message


def test_memory_is_bounded_and_errs_to_the_safe_side_within_a_pair() -> None:
    sums, most = MovedMoney(), moved_money.MOVES_MAX
    for at in range(most + 1):
        sums.note("anna", MarketNo(1), Minor(1), at_ns=Nanos(at))
    # The first counts as long as the second.
    assert sums.moved_minor("anna", MarketNo(1), at_ns=Nanos(most), window_ns=Nanos(most)) == 65
    for number in range(2, moved_money.PAIRS_MAX + 2):
        sums.note("anna", MarketNo(number), Minor(1), at_ns=Nanos(most))
    assert sums.moved_minor("anna", MarketNo(1), at_ns=Nanos(most), window_ns=Nanos(most)) == 0
