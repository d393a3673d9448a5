from __future__ import annotations

from urllib.parse import unquote

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from hypothesis import given
from hypothesis import strategies as st

from lookout.cloud.items import MAX_KEY_BYTES, Outcome, from_item, image_url, key_beside, put_arguments, to_item
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
    version_id=st.none() | st.text(max_size=9),
    etag=st.none() | st.text(max_size=9),
    key=st.none() | st.text(min_size=1, max_size=9),
    expires_s=st.none() | st.integers(0, 2**40),
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
    assert (read.version_id, read.etag, read.key) == (outcome.version_id, outcome.etag, outcome.key)
    assert read.expires_s == outcome.expires_s


def test_an_item_of_an_earlier_lookout_is_read():
    item = to_item(Outcome("https://b.s3.amazonaws.com/k", "m", "opencv", "r", "0A", version_id="v", etag="e"))
    for name in ("version_id", "etag"):
        del item["lookout"]["M"][name]
    assert (from_item(item).version_id, from_item(item).etag, from_item(item).key) == (None, None, None)


def test_a_sequencer_is_stored_and_compared_in_one_form():
    arguments = put_arguments("table", Outcome("u", "m", "opencv", "r", "00ab0c00"))
    assert arguments["Item"]["lookout"]["M"]["sequencer"] == {"S": "00AB0C"}
    assert arguments["ExpressionAttributeValues"] == {":sequencer": {"S": "00AB0C"}}


@pytest.mark.parametrize("expires_s", [None, 1_800_000_000])
@pytest.mark.parametrize("label", ["image-url", "lookout", "lookout-expires"])
def test_a_label_never_takes_the_place_of_the_items_own_names(label: str, expires_s: int | None):
    found = (Detection(label, 0.9, Box(0, 0, 1, 1)),)
    item = to_item(Outcome("https://b.s3.amazonaws.com/k", "m", "opencv", "r", objects=found, expires_s=expires_s))
    assert item["image-url"] == {"S": "https://b.s3.amazonaws.com/k"}
    assert item.get("lookout-expires") == (expires_s and {"N": str(expires_s)})
    assert from_item(item).objects == found


def test_a_label_has_its_highest_confidence():
    found = tuple(Detection("dog", confidence, Box(0, 0, 1, 1)) for confidence in (0.9, 0.5))
    assert to_item(Outcome("u", "m", "opencv", "r", objects=found))["dog"] == {"N": "0.9"}


def test_a_label_without_a_name_is_no_attribute():
    found = (Detection("", 0.9, Box(0, 0, 1, 1)),)
    item = to_item(Outcome("u", "m", "opencv", "r", objects=found))
    assert set(item) == {"image-url", "lookout"}
    assert from_item(item).objects == found


def test_a_strange_item_is_an_error_and_not_an_empty_result():
    with pytest.raises(CloudError, match="did not write"):
        from_item({"image-url": {"S": "u"}, "person": {"N": "0.98"}})


def test_the_key_is_quoted():
    assert image_url("b", "images/1/ä b+c%.jpg") == "https://b.s3.amazonaws.com/images/1/%C3%A4%20b%2Bc%25.jpg"


keys = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda key: len(key.encode()) <= 1024)
long_keys = st.builds(
    lambda start, character: (start + character * 1024).encode()[:1024].decode(errors="ignore"),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.characters(codec="utf-8"),
)


@given(keys | long_keys)
def test_any_key_has_a_url_that_the_table_takes_and_that_tells_where_the_whole_key_is(key: str):
    url = image_url("b" * 63, key)
    assert len(url.encode()) <= MAX_KEY_BYTES
    whole = unquote(url).removeprefix(f"https://{'b' * 63}.s3.amazonaws.com/")
    assert (key_beside("b" * 63, key) or whole) == key
    if key_beside("b" * 63, key):
        assert key.startswith(whole.rpartition("#sha256-")[0])


def test_long_keys_that_differ_at_the_end_have_different_urls():
    urls = {image_url("b", "日" * 340 + end) for end in ("", "a", "b", "ab", "ü")}
    assert len(urls) == 5
    assert {len(url) for url in urls} <= set(range(MAX_KEY_BYTES - 9, MAX_KEY_BYTES + 1))
    assert all(unquote(url, errors="strict") for url in urls)
