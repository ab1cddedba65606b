from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from monitor.score import share


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_agrees_with_scipys_wilson_interval(counts: tuple[int, int]) -> None:
    flagged, checked = counts
    found = share(flagged, checked)
    wanted = binomtest(flagged, checked).proportion_ci(method="wilson")
    assert found.value == flagged / checked
    assert found.low == pytest.approx(wanted.low, abs=1e-9)
    assert found.high == pytest.approx(wanted.high, abs=1e-9)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_nothing_checked_is_no_share_at_all() -> None:
    assert (share(0, 0).value, share(0, 0).low, share(0, 0).high, share(0, 0).n) == (None, None, None, 0)


@pytest.mark.parametrize("counts", [(-1, 3), (4, 3), (1, 0)])
def test_impossible_counts_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        share(*counts)
