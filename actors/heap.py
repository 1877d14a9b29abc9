"""What a process begins with, kept from its garbage collector.

Owns one measured fact: libraries and kernels leave a process with very many objects that live as
long as it does, and a full collection looks at every one. In a gateway under load that came about
once a second and stopped everything for 60 to 90 ms; with them frozen it does not.
"""

import gc


def freeze_heap() -> None:
    """Take what is alive now for alive for ever, garbage first; for a process that has started."""
    gc.collect()
    gc.freeze()


def freeze_heap_at_once() -> None:
    """Do the same without looking for garbage: for a process whose callers are waiting."""
    gc.freeze()
