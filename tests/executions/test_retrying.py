"""When an image is sent again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lookout.executions.retrying import Retries, retry_after_s

CHANCES = st.floats(0, 1)


@given(made=st.integers(0, 10_000), chance=CHANCES, after_s=st.floats(0, 1e6))
def test_a_pause_is_bounded_and_never_shorter_than_the_server_asks(made: int, chance: float, after_s: float):
    pause_s = Retries().pause_s(made, chance, after_s)
    assert after_s < pause_s <= after_s + Retries().longest_s


@given(chances=st.lists(CHANCES, min_size=5, max_size=5))
def test_five_pauses_outlast_a_restart_of_two_seconds(chances: list[float]):
    pauses = [Retries().pause_s(made, chance) for made, chance in enumerate(chances)]
    assert 3.8 < sum(pauses) < 7.8


def test_count_and_time_both_bound():
    assert Retries().allow(4, 60)
    assert not Retries().allow(5, 1)
    assert not Retries().allow(0, 60.1)


@given(text=st.text())
def test_any_header_is_a_number_of_seconds(text: str):
    assert retry_after_s(text) >= 0
