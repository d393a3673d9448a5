"""Costs, worked by hand from the table's own numbers."""

from __future__ import annotations

import json

import pytest

from lookout.comparison.bill import Estimate
from lookout.comparison.costs import (
    Workload,
    assumed_duration_ms,
    function_parts,
    monthly,
    offloaded_parts,
    per_thousand,
    so_far,
    standing_parts,
    transfer_parts,
)
from lookout.comparison.prices import PRICES, read_prices
from lookout.errors import UsageError


def dollars(estimate: Estimate) -> dict[str, float]:
    return {part.name: round(part.dollars, 4) for part in estimate.parts}


def test_a_month_of_a_million_images_to_the_cent():
    estimate = monthly(
        1_000_000,
        512,
        369.2,
        init_ms=1500,
        cold_share=0.01,
        image_bytes=200_000,
        expire_days=365 / 12,
        looks=8,
        log_bytes=1024,
        answer_bytes=2048,
    )
    assert dollars(estimate) == {
        "invocations": 0.20,
        "duration": 3.0833,  # 1e6 x 0.370 s x 0.5 GB x 0.0000166667
        "initialisation": 0.1250,  # 1e4 x 1.500 s x 0.5 GB: 1869.2 ms are billed as 1870, of which 370 are duration's
        "log": 0.4768,  # 1e6 KB are 0.9537 GB
        "uploads": 5.00,
        "downloads by the function": 0.40,
        "table written": 0.625,
        "table read": 1.00,
        "uploads kept": 4.2841,  # 1e6 x 200,000 bytes are 186.26 GB for a month
        "results kept": 0.2328,  # 1e6 x (900 + 100) bytes
        "answers to the client": 0.1717,  # 1e6 x 2 KB are 1.9073 GB
        "alarm": 0.10,
    }
    assert round(estimate.dollars, 2) == 15.70
    # All of a million requests, of the 192,500 GB-s, of the log, the table's storage and the answers is free.
    saved = 0.20 + 3.0833 + 0.1250 + 0.4768 + 0.2328 + 0.1717
    assert estimate.dollars - estimate.dollars_after_free == pytest.approx(saved, abs=3e-4)


def test_what_is_free_ends():
    estimate = monthly(10_000_000, 1024, 1000)  # 10,000,000 GB-s
    free = {part.name: part.quantity for part in estimate.free}
    assert free == {
        "invocations": 1_000_000,
        "duration and initialisation": pytest.approx(400_000),
        "log": pytest.approx(5),  # of 9.4
        "results kept": pytest.approx(10_000_000 * 1000 / 2**30),
        "answers to the client": pytest.approx(10_000_000 * 6500 / 2**30),
    }
    saved = 0.20 + 400_000 * 0.0000166667 + 5 * 0.50 + 9.3132 * 0.25 + 60.5359 * 0.09
    assert estimate.dollars_saved == pytest.approx(saved, abs=1e-4)


def test_what_is_free_of_two_parts_is_of_both_as_they_are_used():
    estimate = monthly(1_000_000, 1024, 1000, init_ms=1000, cold_share=1)  # 1,000,000 GB-s each
    (free,) = (part for part in estimate.free if "duration" in part.name)
    assert (free.quantity, free.dollars) == (pytest.approx(400_000), pytest.approx(400_000 * 0.0000166667))


def test_arm64_has_a_price_of_its_own():
    x86_64, arm64 = (monthly(1_000_000, 1024, 1000, architecture=which) for which in ("x86_64", "arm64"))
    assert dollars(x86_64)["duration"] == 16.6667
    assert dollars(arm64)["duration"] == 13.3334
    assert dollars(x86_64)["uploads"] == dollars(arm64)["uploads"]


@pytest.mark.parametrize(("duration_ms", "billed_ms"), [(0.2, 1), (1.0, 1), (1.01, 2), (370.0, 370), (1780.2, 1781)])
def test_durations_are_rounded_up_to_a_millisecond(duration_ms: float, billed_ms: int):
    assert Workload(1000, memory_mb=1024, duration_ms=duration_ms).gb_seconds == pytest.approx(billed_ms)


def test_a_cold_start_is_rounded_up_once_with_its_invocation():
    cold = Workload(1000, memory_mb=1024, duration_ms=100.3, init_ms=200.3, cold_share=1)
    assert cold.gb_seconds == pytest.approx(301)


def test_what_invocations_were_billed_for_is_not_rounded_again():
    # Of four invocations one was cold: 101 + 101 + 102 + 1,102 ms were billed.
    workload = Workload(1000, memory_mb=1024, init_ms=1000.2, cold_share=0.25, billed_ms=351.5)
    assert workload.gb_seconds == pytest.approx(351.5)
    parts = {part.name: part.quantity for part in function_parts(workload)}
    assert parts["initialisation"] == pytest.approx(250.05)
    assert parts["duration"] == pytest.approx(351.5 - 250.05)


@pytest.mark.parametrize(
    ("item_bytes", "writes", "reads"),
    [(0, 1, 8), (1, 1, 8), (1024, 1, 8), (1025, 2, 8), (4096, 4, 8), (4097, 5, 16), (400_000, 391, 784)],
)
def test_units_of_the_table_go_by_the_items_size(item_bytes: int, writes: int, reads: int):
    parts = {part.name: part for part in transfer_parts(Workload(100, item_bytes=item_bytes, looks=8))}
    assert parts["table written"].quantity == 100 * writes
    assert parts["table read"].quantity == 100 * reads


def test_uploads_that_expire_sooner_cost_less_and_kept_ones_a_whole_month():
    week, month, kept = (
        dollars(monthly(1000, 512, image_bytes=2**30, expire_days=days))["uploads kept"] for days in (7, 365 / 12, None)
    )
    assert (week, month, kept) == (round(23 * 7 * 12 / 365, 4), 23.0, 23.0)


def test_nothing_costs_nothing():
    assert {part.dollars for part in offloaded_parts(Workload(0))} == {0}
    estimate = monthly(0, 512)  # the alarm is there all the same
    assert (estimate.dollars, estimate.dollars_after_free) == (0.10, 0.10)


def test_what_is_not_in_the_sum_is_said():
    known = monthly(2**20, 512, repository_bytes=2**29)
    assert dollars(known)["image repository"] == 0.05
    assert known.lacking == ("the log's storage", "the table's backups")
    # Of a repository nobody knows the size of, its price says nothing.
    unknown = monthly(2**20, 512)
    assert "image repository" not in dollars(unknown)
    assert unknown.lacking[0] == "the image repository's storage"
    assert monthly(1, 512, execution="direct").lacking == ("the image repository's storage", "the log's storage")
    assert "the alarm" in per_thousand(Workload(1)).lacking
    assert {"the table", "the bucket", "the log"} < set(so_far(1, 1, "arm64").lacking)


def test_direct_has_no_bucket_and_no_table():
    parts = dollars(per_thousand(Workload(1, 512, 370, execution="direct", log_bytes=1024, answer_bytes=2**20)))
    assert parts == {
        "invocations": 0.0002,
        "duration": 0.0031,
        "initialisation": 0,
        "log": round(1000 / 2**20 * 0.50, 4),
        "answers to the client": round(1000 / 1024 * 0.09, 4),
    }


def test_each_execution_has_the_bytes_that_were_measured_for_it_unless_told():
    remote, direct = Workload(1), Workload(1, execution="direct")
    assert (remote.logged_bytes, remote.answered_bytes) > (direct.logged_bytes, direct.answered_bytes)
    assert Workload(1, log_bytes=0).logged_bytes == Workload(1, answer_bytes=0).answered_bytes == 0


def test_a_thousand_images_cost_a_thousandth_of_a_million_without_what_stands_there():
    workload = Workload(1_000_000, 1769, 100, init_ms=900, cold_share=0.02, looks=3)
    thousand = per_thousand(workload)
    standing = sum(part.dollars for part in standing_parts())
    month = monthly(1_000_000, 1769, 100, init_ms=900, cold_share=0.02, looks=3, expire_days=30)
    assert thousand.dollars * 1000 + standing == pytest.approx(month.dollars)
    assert thousand.free == ()


def test_so_far_has_what_is_free_of_it():
    cost = so_far(2_000_000, 500_000, "x86_64")
    assert {part.name: part.quantity for part in cost.free} == {
        "invocations": 1_000_000,
        "duration and initialisation": pytest.approx(400_000),
    }
    assert cost.of("duration and initialisation").dollars == pytest.approx(500_000 * 0.0000166667)


def test_the_invoked_function_is_priced_apart_from_the_way_through_bucket_and_table():
    workload = Workload(1000, memory_mb=512, duration_ms=370, log_bytes=0)
    assert sum(part.dollars for part in function_parts(workload)) == pytest.approx(0.0002 + 185 * 0.0000166667)
    assert sum(part.dollars for part in transfer_parts(workload)) == pytest.approx(0.005 + 0.0004 + 0.000625 + 0.001)


def test_without_a_figure_of_its_own_a_function_gets_one_by_its_share_of_cpu():
    assert assumed_duration_ms(256) == 2 * assumed_duration_ms(512)
    assert assumed_duration_ms(1769) == assumed_duration_ms(10240)
    assert monthly(1000, 256).parts == monthly(1000, 256, 740).parts


def test_json_has_the_sum_its_parts_and_whose_prices():
    document = json.loads(json.dumps(monthly(1000, 512, 370).to_json()))
    assert document["dollars"] == pytest.approx(sum(part["dollars"] for part in document["parts"]), abs=1e-5)
    assert document["prices"] == {"region": "us-east-1", "as_of": "2026-05"}
    assert "the table's backups" in document["not_priced"]
    assert {"name": "uploads", "quantity": 1000, "unit": "PUT", "dollars": 0.005} in document["parts"]


@pytest.mark.parametrize(
    "changes",
    [
        {"images": -1},
        {"images": float("nan")},
        {"images": float("inf")},
        {"looks": -1},
        {"cold_share": 1.1},
        {"execution": "local"},
        {"billed_ms": -1},
        {"billed_ms": float("nan")},
    ],
)
def test_a_workload_that_can_not_be_is_refused(changes: dict):
    with pytest.raises(UsageError, match=next(iter(changes))):
        Workload(**{"images": 1, **changes})


WHOSE = {"region": "eu-central-1", "as_of": "2026-11"}


def test_prices_of_ones_own_take_the_place_of_ours():
    prices = read_prices({**WHOSE, "thousand_puts": 0.0054, "log_gb": 1}, "prices.toml")
    assert (prices.region, prices.as_of, prices.thousand_puts, prices.log_gb) == ("eu-central-1", "2026-11", 0.0054, 1)
    assert prices.thousand_gets == PRICES.thousand_gets


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "p must hold prices by name"),
        ("text", "p must hold prices by name"),
        ({}, "p must say whose prices these are: region, and as_of"),
        ({"region": "eu-central-1"}, "whose prices"),
        ({**WHOSE, "puts": 1}, "p names puts, and the prices are region, as_of, x86_64_gb_second"),
        ({**WHOSE, "region": ""}, "region must be a text"),
        ({**WHOSE, "as_of": 2026}, "as_of must be a text"),
        ({**WHOSE, "thousand_puts": "0.005"}, "thousand_puts must be a number of dollars"),
        ({**WHOSE, "thousand_puts": True}, "thousand_puts must be"),
        ({**WHOSE, "thousand_puts": -1}, "not below zero"),
        ({**WHOSE, "thousand_puts": float("nan")}, "not below zero"),
        ({**WHOSE, "log_gb": None}, "log_gb must be"),
    ],
)
def test_what_is_no_price_is_refused(document: object, words: str):
    with pytest.raises(UsageError, match=words):
        read_prices(document, "p")
