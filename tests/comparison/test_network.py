"""Networks by name and by figures."""

from __future__ import annotations

import pytest

from lookout.comparison.network import PRESETS, Network, read_network
from lookout.errors import UsageError


def test_a_name_or_three_figures_say_a_network():
    assert read_network("3g") is PRESETS["3g"]
    assert read_network("0,0.128, 200") == Network("0,0.128, 200", 0, 0.128, 200)


@pytest.mark.parametrize(
    "text", ["", "6g", "1,2", "1,2,3,4", "1,2,x", "-1,2,3", "1,0,3", "1,2,inf", "nan,1,1", "20000,1,1"]
)
def test_what_is_none_is_said_with_what_would_be(text: str):
    with pytest.raises(UsageError, match=r"is no network: give one of lan, wifi, .* such as 40,10,50"):
        read_network(text)
