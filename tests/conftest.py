"""What every test of the tree shares: which examples hypothesis tries.

A gate must say of a change only what the change did: `make test` tries the same examples at every
run. New ones are tried by `make hunt`, whose seeds rise.
"""

from hypothesis import HealthCheck, settings

for name, derandomize in (("gate", True), ("hunt", False)):
    settings.register_profile(
        name,
        derandomize=derandomize,
        print_blob=not derandomize,
        # How long an example takes says how busy the machine is, not whether a rule holds.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("gate")
