"""Exit codes of every process: of the `overround` commands and of the parts that actors run.

Owns the numbers and nothing else; no other module states an exit code.
"""

from typing import Final

EXIT_DONE: Final = 0
"""The command did what its arguments requested."""
EXIT_FAILED: Final = 1
"""The command failed, or a check did not pass."""
EXIT_WRONG_ARGUMENTS: Final = 2
"""The arguments, the settings or a file named by them are wrong; nothing was started."""
EXIT_INTERRUPTED: Final = 130
"""A signal ended the command (128 + SIGINT)."""
EXIT_BROKEN_PIPE: Final = 141
"""The reader of the output closed it (128 + SIGPIPE)."""
EXIT_JOURNAL_BROKEN: Final = 74
"""The process's journal broke (EX_IOERR of sysexits)."""
EXIT_LOCK_HELD: Final = 75
"""Another process still holds the lock of the process's journal (EX_TEMPFAIL of sysexits)."""
