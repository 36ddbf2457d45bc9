"""The limits of all policies as the arrays that the kernels read."""

import numpy as np

from processor.detection.counting import Limits
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, PolicySet

_WINDOW_START = {"hour": 0, "day": 4}


def as_arrays(policies: PolicySet) -> Limits:
    """One row for each policy, in their order; a limit that does not apply is infinite."""
    starts = [_WINDOW_START[limit.window] for limit in LIMITS]
    bounds = [
        [np.inf if (bound := policy.limits.get(limit.name)) is None else bound for limit in LIMITS]
        for policy in policies.policies
    ]
    return Limits(
        first=np.array([start + limit.first for start, limit in zip(starts, LIMITS, strict=True)], np.int64),
        last=np.array([start + limit.last for start, limit in zip(starts, LIMITS, strict=True)], np.int64),
        messages=np.array(starts, np.int64),
        percent=np.array([limit.percent for limit in LIMITS], np.bool_),
        bounds=np.array(bounds, np.float64),
        percent_min_messages=np.array([policy.spam_percent_min_messages for policy in policies.policies], np.int64),
        alert=np.array([policy.action is Action.ALERT for policy in policies.policies], np.bool_),
        bulk_is_spam=np.array([policy.bulk_is_spam for policy in policies.policies], np.bool_),
    )
