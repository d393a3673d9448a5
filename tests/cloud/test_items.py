from __future__ import annotations

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from hypothesis import given
from hypothesis import strategies as st

from lookout.cloud.items import Outcome, from_item, image_url, to_item
from lookout.core.detections import Box, Detection
from lookout.errors import CloudError

sides = st.floats(0, 10000, width=32)
detections = st.builds(
    Detection,
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.floats(0, 1, width=32),
    st.builds(Box, sides, sides, sides, sides),
)
outcomes = st.builds(
    Outcome,
    image_url=st.just("https://b.s3.amazonaws.com/k"),
    model=st.text(min_size=1, max_size=9),
    engine=st.just("opencv"),
    request_id=st.uuids().map(str),
    sequencer=st.just("0A"),
    objects=st.lists(detections, max_size=5).map(tuple),
    inference_ms=st.floats(0, 1e6),
    timings_ms=st.dictionaries(st.sampled_from(["decode", "inference"]), st.floats(0, 1e6)),
    error=st.none() | st.text(min_size=1),
)


@given(outcomes)
def test_what_the_function_writes_is_what_a_client_reads(outcome: Outcome):
    read = from_item(to_item(outcome))
    assert [o.to_json() for o in read.objects] == [o.to_json() for o in outcome.objects]
    assert (read.error, read.inference_ms, read.timings_ms) == (
        outcome.error,
        round(outcome.inference_ms, 3),
        {stage: round(ms, 3) for stage, ms in outcome.timings_ms.items()},
    )


@pytest.mark.parametrize("label", ["image-url", "lookout"])
def test_a_label_never_takes_the_place_of_the_items_own_names(label: str):
    found = (Detection(label, 0.9, Box(0, 0, 1, 1)),)
    item = to_item(Outcome("https://b.s3.amazonaws.com/k", "m", "opencv", "r", objects=found))
    assert item["image-url"] == {"S": "https://b.s3.amazonaws.com/k"}
    assert from_item(item).objects == found


def test_a_label_has_its_highest_confidence():
    found = tuple(Detection("dog", confidence, Box(0, 0, 1, 1)) for confidence in (0.9, 0.5))
    assert to_item(Outcome("u", "m", "opencv", "r", objects=found))["dog"] == {"N": "0.9"}


def test_a_strange_item_is_an_error_and_not_an_empty_result():
    with pytest.raises(CloudError, match="did not write"):
        from_item({"image-url": {"S": "u"}, "person": {"N": "0.98"}})


def test_the_key_is_quoted():
    assert image_url("b", "images/1/ä b+c%.jpg") == "https://b.s3.amazonaws.com/images/1/%C3%A4%20b%2Bc%25.jpg"
