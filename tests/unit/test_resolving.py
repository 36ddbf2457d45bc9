"""The numbers that stand for a policy and a tenant: what is remembered of them is forgotten before it is too much."""

import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.detection import resolving
from processor.detection.resolving import Resolutions
from processor.policies.file import parse
from processor.policies.policy import Conditions, Policy, PolicySet
from tests.policy_strategies import documents, senders, tenants


def test_tenants_with_long_names_do_not_fill_the_memory() -> None:
    by_tenant = Policy("one", conditions=Conditions(tenants=frozenset({"t"})))
    resolutions = Resolutions(PolicySet((by_tenant, Policy())))
    name = b"t" * (1 << 16)
    for number in range(1023):
        resolutions.number_of(b"ann@a.test", name[:-4] + b"%04d" % number)
    assert not resolutions.is_full
    resolutions.number_of(b"ann@a.test", name)
    assert resolutions.is_full, "64 MB of them"


@pytest.mark.parametrize("remembered", [1, 1 << 16])
@given(document=documents, questions=st.lists(st.tuples(senders, tenants.filter(bool)), min_size=1, max_size=30))
def test_who_is_alike_to_one_that_was_looked_up_has_the_policy_that_he_would_be_found(
    remembered: int, document: dict[str, Any], questions: list[tuple[str, str]]
) -> None:
    policies = parse(json.dumps(document, ensure_ascii=False))
    resolutions = Resolutions(policies)
    with patch.object(resolving, "_ALIKE_MAX", remembered):
        for sender, tenant in questions:
            number = resolutions.number_of(sender.encode(), tenant.encode())
            assert resolutions.row_of(number) == policies.matcher.row_of(sender, tenant)
