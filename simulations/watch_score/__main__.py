"""Score the detectors: ``python -m simulations.watch_score --first-seed 100 --seeds 6``.

Prints what each detector found of what was planted, at its rule's defaults; with ``--choose``, at
other parameters beside them. The defaults were chosen on seeds 0 to 3, and are scored on those from
100.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import NamedTuple

from engine.watch.kinds import Kind
from simulations.watch_score.scene import SceneSize, draw_scene
from simulations.watch_score.tally import CHOICES, SCORED, Tally, findings, tally


class _Row(NamedTuple):
    name: str
    kind: Kind
    shown: str


def main(arguments: list[str]) -> int:
    """Draw the scenes, run every detector over each, and print the table."""
    given = _parser().parse_args(arguments)
    size = SceneSize(matches=given.matches, bettors=given.bettors, bets=given.bets)
    rows = list(_choices() if given.choose else _defaults())
    totals = [Tally()] * len(rows)
    bets = 0
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        scene = draw_scene(size, seed=seed)
        bets += scene.bets
        for number, row in enumerate(rows):
            totals[number] += tally(row.name, scene, findings(scene, row.kind))
    sys.stdout.write(f"{given.seeds} scenes of {size.matches} matches, {bets} bets\n\n")
    sys.stdout.write("| detector | planted | found | other plants | false | precision | recall |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- | --- | --- |\n")
    for row, one in zip(rows, totals, strict=True):
        sys.stdout.write(
            f"| {row.shown} | {one.planted} | {one.found} | {one.other} "
            f"| {one.false} | {one.precision:.3f} | {one.recall:.3f} |\n"
        )
    return 0


def _defaults() -> Iterator[_Row]:
    for name, kind in SCORED.items():
        yield _Row(name, kind, name)


def _choices() -> Iterator[_Row]:
    for name, kinds in CHOICES.items():
        for kind in kinds:
            usual = SCORED[name]
            moved = [
                f"{field}={getattr(kind, field):g}"
                for field in kind.__struct_fields__
                if getattr(kind, field) != getattr(usual, field)
            ]
            yield _Row(name, kind, " ".join([name, *moved]))


def _parser() -> argparse.ArgumentParser:
    usual = SceneSize()
    parser = argparse.ArgumentParser(prog="python -m simulations.watch_score", description=__doc__)
    parser.add_argument("--first-seed", type=int, default=100, help="seed of the first scene")
    parser.add_argument("--seeds", type=int, default=6, help="scenes")
    parser.add_argument("--matches", type=int, default=usual.matches, help="matches of a scene")
    parser.add_argument("--bettors", type=int, default=usual.bettors, help="accounts of a scene")
    parser.add_argument("--bets", type=int, default=usual.bets, help="ordinary bets on a match")
    parser.add_argument("--choose", action="store_true", help="compare other parameters")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
