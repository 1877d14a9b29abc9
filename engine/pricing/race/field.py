"""How large a field of runners may be. Owns the bound and nothing else."""

from typing import Final

RUNNERS_MAX: Final = 40
"""Most runners of a race."""
