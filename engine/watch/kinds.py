"""The kinds of things that a rule may watch for, and the detector of each."""

from collections.abc import Callable
from typing import Any, Final

from engine.watch.arbitrage import ArbitrageDetector, ArbitrageRule
from engine.watch.bet_stops import NoBetStopDetector, NoBetStopRule
from engine.watch.bounds import FeedLagDetector, FeedLagRule, LiabilityDetector, LiabilityRule
from engine.watch.closing_value import ClosingValueDetector, ClosingValueRule
from engine.watch.facts import Detector
from engine.watch.feed_conflicts import FeedConflictDetector, FeedConflictRule
from engine.watch.identical import IdenticalDetector, IdenticalRule
from engine.watch.late_bets import LateBetsDetector, LateBetsRule
from engine.watch.odds_apart import OddsApartDetector, OddsApartRule
from engine.watch.pace import PaceDetector, PaceRule
from engine.watch.syndicates import SyndicateDetector, SyndicateRule

Kind = (
    LiabilityRule
    | PaceRule
    | IdenticalRule
    | SyndicateRule
    | LateBetsRule
    | ClosingValueRule
    | OddsApartRule
    | NoBetStopRule
    | ArbitrageRule
    | FeedConflictRule
    | FeedLagRule
)
"""What is watched for, with its parameters; the tag is its name."""

_DETECTORS: Final[dict[type, Callable[[Any], Detector]]] = {
    LiabilityRule: LiabilityDetector,
    PaceRule: PaceDetector,
    IdenticalRule: IdenticalDetector,
    SyndicateRule: SyndicateDetector,
    LateBetsRule: LateBetsDetector,
    ClosingValueRule: ClosingValueDetector,
    OddsApartRule: OddsApartDetector,
    NoBetStopRule: NoBetStopDetector,
    ArbitrageRule: ArbitrageDetector,
    FeedConflictRule: FeedConflictDetector,
    FeedLagRule: FeedLagDetector,
}


def new_detector(kind: Kind) -> Detector:
    """Return a detector that has seen nothing."""
    return _DETECTORS[type(kind)](kind)
