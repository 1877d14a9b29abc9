"""Lines on the terminal of a command that runs on.

Owns nothing; logs are the business of `logging`.
"""

import sys


def say(line: str) -> None:
    """Write a line at once, also where the output is no terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
