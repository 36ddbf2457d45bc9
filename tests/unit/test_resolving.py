"""The numbers that stand for a policy and a tenant: what is remembered of them is forgotten before it is too much."""

from processor.detection.resolving import Resolutions
from processor.policies.policy import Conditions, Policy, PolicySet


def test_tenants_with_long_names_do_not_fill_the_memory() -> None:
    by_tenant = Policy("one", conditions=Conditions(tenants=frozenset({"t"})))
    resolutions = Resolutions(PolicySet((by_tenant, Policy())))
    name = b"t" * (1 << 16)
    for number in range(1023):
        resolutions.number_of(b"ann@a.test", name[:-4] + b"%04d" % number)
    assert not resolutions.is_full
    resolutions.number_of(b"ann@a.test", name)
    assert resolutions.is_full, "64 MB of them"
