"""Hold and print the rows of the bench: our figure, the reference's, their ratio and the goal."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """A measured figure and its reference, both of one run.

    `better` says whether higher or lower figures are better; `ratio` is ours over the reference;
    `goal` is a ratio or an absolute figure, as `goal_is` says.
    """

    measure: str
    unit: str
    ours: float
    reference: float
    against: str
    better: str  # "higher" or "lower"
    goal: float
    goal_is: str  # "ratio" or "ours"
    conditions: str
    samples: list[float] = field(default_factory=list)
    reference_samples: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Ours over the reference."""
        return self.ours / self.reference if self.reference else float("nan")

    @property
    def reached(self) -> bool:
        """Whether the goal was reached in this run."""
        value = self.ratio if self.goal_is == "ratio" else self.ours
        return value >= self.goal if self.better == "higher" else value <= self.goal


def median_of(measure: Callable[[], float], *, runs: int) -> tuple[float, list[float]]:
    """Run a measure several times; return the median and all samples."""
    samples = [measure() for _ in range(runs)]
    return statistics.median(samples), samples


def medians_of(
    ours: Callable[[], float], reference: Callable[[], float], *, runs: int
) -> tuple[float, float, list[float], list[float]]:
    """Run two measures in turn, so that both share the load; return medians and samples."""
    pairs = [(ours(), reference()) for _ in range(runs)]
    samples, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return statistics.median(samples), statistics.median(references), samples, references


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which this share of all samples lies."""
    ordered = sorted(samples)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def cost_text(us: Mapping[str, float], *, a: str = "bet") -> str:
    """Return the microseconds of processor time of each kind of process as a text."""
    parts = ", ".join(f"{kind} {value:.1f}" for kind, value in us.items())
    return f"processor time a {a} in us: {parts}, together {sum(us.values()):.1f}"


def figure(value: float) -> str:
    """Render a figure with three to four significant digits."""
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def render(rows: Sequence[Row], console: Console) -> None:
    """Print the table, and below it the reference and the conditions of each measure."""
    table = Table(title="Overround, measured", title_justify="left", show_lines=False)
    for column in ("measure", "ours", "reference", "ratio", "goal", ""):
        table.add_column(column, justify="left" if column in ("measure", "") else "right")
    for row in rows:
        sign = "≥" if row.better == "higher" else "≤"
        goal = f"{sign} {figure(row.goal)}" + (" x" if row.goal_is == "ratio" else f" {row.unit}")
        table.add_row(
            row.measure,
            f"{figure(row.ours)} {row.unit}",
            f"{figure(row.reference)} {row.unit}",
            f"{row.ratio:.2f}",
            goal,
            "[green]reached[/]" if row.reached else "[red]short[/]",
        )
    console.print(table)
    for row in rows:
        console.print(
            f"[bold]{row.measure}[/]: against {row.against}; {row.conditions}", style="dim"
        )


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write all figures and samples, with the machine they were measured on."""
    document = {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "rows": [asdict(row) | {"ratio": row.ratio, "reached": row.reached} for row in rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
