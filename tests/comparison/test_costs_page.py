"""The examples of docs/costs.md: worked again from the price table's own numbers, and what the code makes of them.

The arithmetic that the page shows is done here, with prices by name and no code of Lookout's; its results must be those
that the page shows, to the last digit, and those that the code computes.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import operator
import re
from collections.abc import Mapping
from math import ceil
from pathlib import Path

import pytest

from lookout.comparison.bill import Estimate
from lookout.comparison.break_even import Offloading, break_even
from lookout.comparison.costs import Workload, assumed_duration_ms, of_month, per_thousand
from lookout.comparison.own_machine import OwnMachine
from lookout.comparison.prices import PRICES, SOURCES, Prices, read_prices
from lookout.comparison.service_latencies import KINDS, PUBLISHED, read_service_latencies

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text("utf-8")

STUDENT = Workload(10_000, 512, 370, init_ms=1500, cold_share=0.05)
ONE_A_SECOND = Workload(2_628_000, 512, 370)
REMOTE = Workload(1000, 1769, assumed_duration_ms(1769))
DIRECT = dataclasses.replace(REMOTE, execution="direct")
MACHINE = OwnMachine(dollars_per_hour=0.10, images_per_s=13)

SECONDS_A_MONTH = 365 / 12 * 24 * 3600

TIMES = "\N{MULTIPLICATION SIGN}"

Table = list[list[str]]


def section(heading: str) -> str:
    (found,) = re.findall(rf"^## {heading}.*?$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def tables(heading: str) -> list[Table]:
    """The cells of each table under a heading, without its head."""
    blocks = re.findall(r"(?:^\|.*\n)+", section(heading), re.MULTILINE)
    return [[[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()[2:]] for block in blocks]


OPERATORS = {ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Add: operator.add, ast.Pow: operator.pow}


def worked(arithmetic: str, prices: Prices = PRICES) -> float:
    """What the page's arithmetic gives: numbers, names of prices, and signs between them."""

    def value(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.Name):
            return getattr(prices, node.id)
        assert isinstance(node, ast.Constant)
        return node.value

    plain = arithmetic.translate({ord(","): None, ord("`"): None, ord(TIMES): "*", ord("^"): "**"})
    return value(ast.parse(plain, mode="eval").body)


def shown(number: float, like: str) -> str:
    """A number with as many digits as the page shows."""
    if "." not in like:
        return f"{number:,.0f}"
    return f"{number:,.{len(like.partition('.')[2])}f}"


def check(table: Table, estimate: Estimate) -> float:
    """Hold a table's lines to their own arithmetic, and to an estimate's parts; the sum of the first."""
    *lines, together = table
    parts = {part.name: part for part in estimate.parts if part.dollars}
    assert [name for name, *_ in lines] == list(parts)
    total = 0.0
    for name, how_many, quantity, price, dollars in lines:
        number, _, unit = quantity.partition(" ")
        by_hand = worked(how_many)
        cost = by_hand * worked(price)
        assert shown(by_hand, number) == number, name
        assert shown(cost, dollars) == dollars, name
        part = parts[name]
        assert (part.quantity, part.dollars) == (pytest.approx(by_hand, rel=1e-9), pytest.approx(cost, rel=1e-9)), name
        assert part.unit == unit
        total += cost
    assert together == ["together", "", "", "", shown(total, together[-1])]
    assert estimate.dollars == pytest.approx(total, rel=1e-9)
    return total


def says(heading: str, *amounts: str) -> None:
    text = section(heading)
    for amount in amounts:
        assert amount in text, f"{amount} under {heading}"


def test_the_table_of_prices_and_where_each_is_from():
    (table,) = tables("Prices")
    assert [name.strip("`") for name, *_ in table] == list(SOURCES)
    assert set(SOURCES) == {field.name for field in dataclasses.fields(Prices)} - {"region", "as_of"}
    for name, _, price, where, dated in table:
        source = SOURCES[name.strip("`")]
        assert float(price.replace(",", "")) == getattr(PRICES, name.strip("`"))
        assert (where if where != "facts" else "FACTS.md") in source.where
        assert dated == source.dated


def test_rounding():
    (table,) = tables("Rounding")
    workloads = [(369.2, 0), (369.2, 1500), (100.3, 200.3), (1780.2, 0)]
    assert len(table) == len(workloads)
    for (what, billed, gb_seconds), (duration_ms, init_ms) in zip(table, workloads, strict=True):
        assert what.startswith(f"{duration_ms:,} ms")
        by_hand = ceil(duration_ms + init_ms)
        assert billed == f"{by_hand:,}"
        assert float(gb_seconds) == 1000 * by_hand / 1000 * 512 / 1024
        workload = Workload(1000, 512, duration_ms, init_ms=init_ms, cold_share=1 if init_ms else 0)
        assert workload.gb_seconds == pytest.approx(float(gb_seconds))
    says("Rounding", "0.185 GB-s", "billed as 1,870 ms: 0.935 GB-s", "301 ms are billed, and not 302")
    assert ceil(100.3) + ceil(200.3) == 302


def test_what_an_image_is_taken_to_need_is_what_the_page_says():
    remote, direct = Workload(1), Workload(1, execution="direct")
    says("What is counted", f"{remote.logged_bytes:,} and {direct.logged_bytes:,} bytes logged, {remote.looks} looks")
    says("What is counted", f"{remote.answered_bytes:,} and {direct.answered_bytes:,} bytes received")
    says("What is counted", f"an item of {remote.item_bytes} bytes")
    assert f"{1000 * 5 * 26 / 1024**3 * PRICES.log_gb:.5f}" == "0.00006"
    says("What is counted", "130 bytes, or $0.00006 for 1,000 images")


def test_a_students_ten_thousand_images_a_month():
    (table,) = tables("Example 1")
    estimate = of_month(STUDENT, expire_days=30)
    total = check(table, estimate)
    free = ("invocations", "duration", "initialisation", "log", "results kept", "answers to the client")
    left = total - sum(worked(row[1]) * worked(row[3]) for row in table if row[0] in free)
    assert (round(total, 2), round(left, 2)) == (0.26, 0.21)
    assert estimate.dollars_after_free == pytest.approx(left)
    says("Example 1", f"${total:.2f} a month", f"${total / 10:.4f} for 1,000", f"${left:.2f} is left")


def test_one_image_a_second():
    (table,) = tables("Example 2")
    total = check(table, of_month(ONE_A_SECOND, expire_days=30))
    assert round(total, 2) == 41.57
    assert Offloading(ONE_A_SECOND).per_thousand(1) == pytest.approx(total / 2628)
    bucket = sum(float(row[-1]) for row in table if row[0] in ("uploads", "downloads by the function", "uploads kept"))
    function = sum(float(row[-1]) for row in table if row[0] in ("invocations", "duration"))
    assert (round(bucket / total, 1), round(function / total, 1)) == (0.6, 0.2)  # three fifths, and a fifth
    says("Example 2", f"${total:.2f} a month", f"${total / 2628:.4f} for 1,000")
    at_one, at_most = 73 / 2628, 73 / 2628 / 13
    says("Example 2", f"${at_one:.4f} for 1,000 images at this rate", f"${at_most:.4f} at 13", f"{100 * 12 / 13:.0f} %")
    assert MACHINE.dollars_per_month == pytest.approx(73)
    assert MACHINE.per_thousand(1) == pytest.approx(at_one)
    assert MACHINE.per_thousand(13) == pytest.approx(at_most)


def test_direct_against_remote_and_a_machine():
    through_bucket, invoked, turns = tables("Example 3")
    assert ceil(370 * 512 / 1769) == 108
    remote, direct = check(through_bucket, per_thousand(REMOTE)) / 1000, check(invoked, per_thousand(DIRECT)) / 1000
    assert (round(remote * 1000, 4), round(direct * 1000, 4)) == (0.0158, 0.0038)
    says("Example 3", f"${direct * 1000:.4f} for", f"`remote` ${remote * 1000:.4f}, {remote / direct:.1f} times")
    assert direct * 1000 < PRICES.thousand_puts  # a PUT alone costs more
    alarm, month = 0.10, 0.10 * 730
    by_hand = {
        "`remote`": (month - alarm) / remote,
        "`direct`": (month - alarm) / direct,
        "`direct` again": (2 * month - alarm) / direct,
    }
    for name, rate, images, _ in turns:
        assert rate.split(" to ")[-1] == f"{by_hand[name] / SECONDS_A_MONTH:.2f}"
        assert images.split(" to ")[-1] == f"{by_hand[name]:,.0f}"
    assert turns[-1][2].startswith(f"{13 * SECONDS_A_MONTH:,.0f} to ")
    found = {name: break_even(Offloading(workload), MACHINE) for name, workload in [("r", REMOTE), ("d", DIRECT)]}
    assert found["r"].images_per_month == pytest.approx(by_hand["`remote`"])
    assert found["r"].settled_images_per_s == found["r"].images_per_s
    assert found["d"].images_per_month == pytest.approx(by_hand["`direct`"])
    assert found["d"].settled_images_per_s == pytest.approx(by_hand["`direct` again"] / SECONDS_A_MONTH)
    says("Example 3", f"${remote * 13 * SECONDS_A_MONTH + alarm:,.2f}, more than two machines")


def test_what_is_free_and_where_it_ends():
    free, ends = tables("What is free")
    *lines, together = free
    (paid,) = tables("Example 2")
    by_hand = 0.0
    prices = {row[0]: worked(row[3]) for row in paid[:-1]}
    quantities = {row[0]: worked(row[1]) for row in paid[:-1]}
    limits = [1_000_000, 400_000, 5, 25, 100]
    for (name, used, limit, counted, dollars), at_most in zip(lines, limits, strict=True):
        assert shown(quantities[name], used) == used
        assert limit == f"{at_most:,}"
        amount = min(quantities[name], at_most)
        assert shown(amount, counted) == counted
        assert shown(amount * prices[name], dollars) == dollars
        by_hand += amount * prices[name]
    assert shown(by_hand, together[-1]) == together[-1]
    estimate = of_month(ONE_A_SECOND, expire_days=30)
    assert estimate.dollars_saved == pytest.approx(by_hand)
    assert [(part.name.split(" and ")[0], part.quantity) for part in estimate.free] == [
        (name, pytest.approx(min(quantities[name], at_most))) for (name, *_), at_most in zip(lines, limits, strict=True)
    ]
    total = float(tables("Example 2")[0][-1][-1])
    says("What is free", f"${total - by_hand:.2f} in place of ${total:.2f}")
    per_image = [1_000_000, 400_000 / 0.185, 5 * 1024**3 / 1005, 100 * 1024**3 / 6500, 25 * 1024**3 / 1000]
    assert [row[1] for row in ends] == [f"{int(images):,}" for images in per_image]
    assert Offloading(ONE_A_SECOND).bends() == pytest.approx(tuple(per_image))


def test_the_table_of_service_latencies():
    (table,) = tables("Service latencies")
    assert [row[0].strip("`") for row in table] == list(KINDS)
    for name, what, of, stage, p50, p99, measured in table:
        kind, figure = KINDS[name.strip("`")], PUBLISHED.figures.get(name.strip("`"))
        assert (what, stage) == (kind.what, kind.stage)
        assert of == " and ".join(kind.executions) + (", cold only" if kind.cold_only else "")
        if figure is None:
            assert (p50, p99, measured) == ("none", "", "")
        else:
            assert (float(p50), float(p99), measured) == (figure.p50_ms, figure.p99_ms, figure.measured)
            says("Service latencies", figure.source)


def test_the_files_that_the_page_shows_are_read():
    (prices,) = re.findall(r"^    (\{.*\})$", section("Prices"), re.MULTILINE)
    assert read_prices(json.loads(prices), "the page").thousand_puts == 0.0054
    (latencies,) = re.findall(r"^    (\{.*\})$", section("Service latencies"), re.MULTILINE)
    figures = read_service_latencies(json.loads(latencies), "the page").figures
    assert set(figures) == {"invoke", "fetch", "store", "notice"}


@pytest.mark.parametrize("change", [{"thousand_puts": 0.0054}, {"x86_64_gb_second": 0.00002}, {"log_gb": 0.51}])
def test_another_price_would_not_agree_with_the_page(change: Mapping[str, float]):
    changed = dataclasses.replace(PRICES, **change)
    with pytest.raises(AssertionError):
        check(tables("Example 1")[0], of_month(STUDENT, expire_days=30, prices=changed))


@pytest.mark.parametrize(
    ("arithmetic", "result"),
    [(f"2 {TIMES} 1,024^2", 2097152), ("`thousand_puts` / 1,000", 0.000005), ("(900 + 100) / 4", 250)],
)
def test_the_pages_arithmetic_is_read_as_people_do(arithmetic: str, result: float):
    assert worked(arithmetic) == pytest.approx(result)
