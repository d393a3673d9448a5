"""Mutated images, networks and models' descriptions: none crashes, hangs, takes a gigabyte, or raises what is not ours.

A small part of it; ``make soak`` runs 20,000 cases of images, cfg and weights (``LOOKOUT_SOAK``), and as many of each
other kind as of one of these.
"""

from __future__ import annotations

import os

import pytest

from helpers.fuzzing import KINDS, fuzz, pictures, seeded
from helpers.mutations import mutate, with_checksums

CASES = int(os.environ.get("LOOKOUT_SOAK", "600"))
AT_ONCE = 500
EACH = -(-CASES // len(("images", "cfg", "weights")))


@pytest.mark.parametrize(("kind", "first"), [(kind, first) for kind in KINDS for first in range(0, EACH, AT_ONCE)])
def test_mutated_files_are_read_or_refused(kind, first):
    end = min(first + AT_ONCE, EACH)
    outcome = fuzz(kind, first, end)
    assert outcome["accepted"] + outcome["refused"] == end - first
    if end - first >= 100:  # both happen, or the mutations are too wild, or too tame
        assert min(outcome["accepted"], outcome["refused"]) > 0


def test_a_case_is_the_same_every_time():
    one, other = (mutate(pictures()[0], seeded("images", 7), pictures()) for _ in range(2))
    assert one == other
    assert one != mutate(pictures()[0], seeded("images", 8), pictures())


def test_a_process_that_ends_is_noticed():
    with pytest.raises(AssertionError, match="nonsense"):
        fuzz("nonsense", 0, 1)


def test_mutated_pngs_are_given_checksums_that_fit():
    whole = next(data for data in pictures() if data.startswith(b"\x89PNG"))
    width_changed = whole[:19] + b"\7" + whole[20:]
    assert with_checksums(whole) == whole
    assert with_checksums(width_changed)[:29] == width_changed[:29]
    assert with_checksums(width_changed)[29:33] != whole[29:33]
    assert with_checksums(width_changed)[33:] == whole[33:]
