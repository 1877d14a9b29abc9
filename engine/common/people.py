"""Whose a command is: the person of a caller's name, in whatever role.

A name is `role:person`, as sessions and journals have it.
"""


def subject(name: str) -> str:
    """Return the person of a name: ``settler:anna`` is anna, in whatever role."""
    return name.partition(":")[2]


def is_one_person(name: str, other: str) -> bool:
    """Say whether two names are one person's; those without a role are so where they are equal."""
    return subject(name) == subject(other) if ":" in name and ":" in other else name == other
