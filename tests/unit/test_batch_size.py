"""How full a batch of the detector is, from which it knows whether more is waiting."""

import numpy as np

from processor.kafka.runs import End, Run
from processor.verdicts.payloads import Payloads
from processor.workers.detect import size


def test_the_end_of_a_partition_takes_a_place_in_a_batch() -> None:
    """A batch of 2,500 that held 2,499 records and an end was not taken for a full one, and the worker committed after each."""
    values = Payloads(np.zeros(0, np.uint8), np.zeros(4, np.int64), None)
    run = Run(0, [], values, np.arange(3), np.zeros(3, np.int64))
    assert size([run, End(0, 3), run, End(1, 0)]) == 8
    assert size([]) == 0
