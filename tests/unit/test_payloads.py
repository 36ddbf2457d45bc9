"""Values end to end are the same sequence as a list of them, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.verdicts.payloads import Payloads

VALUES = st.lists(st.none() | st.binary(max_size=4), max_size=8)


@given(VALUES)
def test_they_are_the_values_that_were_given(values: list[bytes | None]) -> None:
    payloads = Payloads.of(values)
    assert list(payloads) == values
    assert [payloads[row] for row in range(-len(values), 0)] == values
    assert bytes(payloads.joined) == b"".join(value or b"" for value in values)


@given(VALUES, st.slices(8), st.slices(8))
def test_a_slice_of_a_slice_is_that_of_the_list(values: list[bytes | None], first: slice, second: slice) -> None:
    first, second = slice(first.start, first.stop), slice(second.start, second.stop)
    part = Payloads.of(values)[first][second]
    assert list(part) == values[first][second]
    assert bytes(part.joined) == b"".join(value or b"" for value in values[first][second])


def test_what_is_not_there_is_an_error() -> None:
    payloads = Payloads.of([b"a", None])
    with pytest.raises(IndexError):
        payloads[2]
    with pytest.raises(ValueError, match="step 1"):
        payloads[::-1]
