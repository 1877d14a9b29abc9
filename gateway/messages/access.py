"""Who may send what, as the AsyncAPI document shows it.

Owns the shape only; gateway.session.permissions fills it from its tables.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Access(NamedTuple):
    """Who may send what: the part of the document that messages themselves do not know.

    `permissions` maps a listener's name and a role's name to the messages that may be sent there;
    `commands` maps the name of a role that may command markets to the commands it may give.
    """

    permissions: Mapping[tuple[str, str], Collection[type]]
    commands: Mapping[str, Collection[type]]

    def roles(self, listener: str, kind: type) -> list[str]:
        """Return the roles that may send a message on a listener, in the order of the mapping."""
        return [
            role
            for (name, role), kinds in self.permissions.items()
            if name == listener and kind in kinds
        ]
