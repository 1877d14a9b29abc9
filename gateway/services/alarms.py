"""What a person must look at, as `/readyz` names it.

Owns the words. It changes nothing: the counts are the shells' and the reconciler's.
"""

from actors.messages import ReconcilerStatus


def alarms(status: ReconcilerStatus) -> tuple[str, ...]:
    """Return what a person must look at, which does not keep a gateway from serving."""
    counted = {
        "account shards that take no bets: the house is stopped": status.house_stopped,
        "settlements in dispute": status.disputes,
        "bets refused because another bet has their id": status.ids_reused,
        "charges of legs that their market never accepted": status.charges_unfit,
        "differences between accounts and markets": status.differences_found,
        "tasks of the reconciler that fail and are tried again": len(status.troubles),
    }
    return tuple(f"{count} {what}" for what, count in counted.items() if count)
