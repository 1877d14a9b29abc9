"""What every test of the tree shares: how hypothesis behaves on a machine that is busy."""

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, not whether a rule holds.
settings.register_profile("overround", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("overround")
