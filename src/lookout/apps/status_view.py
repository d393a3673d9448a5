"""What ``lookout stack status`` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from lookout import __version__
from lookout.apps.console import EMULATED, printable
from lookout.apps.log_view import show_line
from lookout.apps.money import dollars
from lookout.apps.tables import standard_output
from lookout.cloud.watching.drift import Drift
from lookout.cloud.watching.figures import Activity, Billing
from lookout.cloud.watching.resources import StackResource
from lookout.cloud.watching.status import StackStatus, troubles
from lookout.comparison.bill import Estimate

# Of a digest so much tells it from others.
_DIGEST = 19


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is shown. ``drifts`` is None where drift was not looked for.

    Activity, billing and cost are None without a function, and where ``hidden`` says why nobody may see them.
    """

    place: str
    emulated: bool
    status: StackStatus
    drifts: Sequence[Drift] | None
    activity: Activity | None = None
    billing: Billing | None = None
    cost: Estimate | None = None
    hidden: str = ""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        status = self.status
        return {
            "name": status.name,
            "place": self.place,
            "emulated": self.emulated,
            "state": status.state,
            "reason": status.reason or None,
            "created": status.created.isoformat(),
            "updated": status.updated.isoformat() if status.updated else None,
            "troubles": list(troubles(status)),
            "resources": [asdict(resource) for resource in status.resources],
            "drift": None if self.drifts is None else [asdict(drift) for drift in self.drifts],
            "lookout": __version__,
            "function_lookout": status.parameters.get("Version") or None,
            "template_is_ours": status.template_is_ours,
            "parameters": dict(status.parameters),
            "outputs": dict(status.outputs),
            "activity": self._activity_json(),
            "cost": self._cost_json(),
            "hidden": self.hidden or None,
        }

    def _activity_json(self) -> dict[str, Any] | None:
        if self.activity is None:
            return None
        return {
            "since": self.activity.since.isoformat(),
            "counts": asdict(self.activity.counts),
            "last_day": asdict(self.activity.day),
            "errors": [asdict(line) for line in self.activity.errors],
        }

    def _cost_json(self) -> dict[str, Any] | None:
        if self.cost is None or self.billing is None:
            return None
        return {**self.cost.to_json(), **asdict(self.billing), "exact": self.billing.exact}


def describe(shown: Shown) -> str:
    """The whole, for people."""
    status = shown.status
    lines = [
        f"{status.name}: {status.state}, in {shown.place}",
        _history(status),
    ]
    if status.reason:
        lines.append(printable(f"CloudFormation: {status.reason}"))
    lines += ["", _resource_table(status.resources), "", *_versions(status)]
    if shown.hidden:
        lines.append(printable(f"What the function did, and cost, may not be seen: {shown.hidden}"))
    lines += [*_activity(shown), *_cost(shown), *_drift(shown.drifts), *_troubles(status)]
    if shown.emulated:
        lines.append(EMULATED)
    return "\n".join(lines)


def _history(status: StackStatus) -> str:
    """When it was made and changed; to make a stack by a change set counts as a change of it, seconds after."""
    made = f"Made {_time(status.created)}"
    if status.updated is None or status.updated - status.created < timedelta(minutes=1):
        return made
    return f"{made}, changed {_time(status.updated)}"


def _resource_table(resources: Sequence[StackResource]) -> str:
    table = Table("Resource", box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("Name", overflow="fold")
    table.add_column("State", no_wrap=True)
    for resource in resources:
        table.add_row(resource.logical_id, Text(printable(_short(resource))), _state(resource))
    console = standard_output()
    with console.capture() as printed:
        console.print(table)
    return "\n".join(line.rstrip() for line in printed.get().rstrip("\n").split("\n"))


def _short(resource: StackResource) -> str:
    """Some are known by an ARN, or by names with those of others in them, that say no more than their own column."""
    return resource.name if not resource.name.startswith("arn:") else resource.name.rpartition(":")[2]


def _state(resource: StackResource) -> Text:
    words = resource.state if resource.messages is None else f"{resource.messages} failures"
    style = "bold red" if resource.trouble or resource.state == "ALARM" else ""
    return Text(printable(words), style=style)


def _versions(status: StackStatus) -> Iterator[str]:
    given = status.parameters
    yield f"Function: {_package(status)}, {given.get('Architecture', '?')}, {given.get('Memory', '?')} MB, " + (
        f"{given.get('Timeout', '?')} s"
    )
    model = given.get("Model") or given.get("ModelFolder", "?").rpartition("/")[2][:_DIGEST]
    looks = f" ({given['Input']})" if given.get("Input") else ""
    yield printable(f"Model: {model}{looks}, {given.get('Engine', '?')}") + (
        f", confidence {given.get('Confidence', '?')}, IoU {given.get('Iou', '?')}"
    )
    ours = "this one's" if status.template_is_ours else "of another version: bring it up to date with lookout stack up"
    deployed = printable(given.get("Version") or "not known")
    yield f"Lookout {__version__}; the function's is {deployed}; the stack's template is {ours}"


def _package(status: StackStatus) -> str:
    given = status.parameters
    if image := given.get("ImageUri"):
        digest = image.partition("@")[2]
        return f"image {digest[:_DIGEST]}" if digest else f"image {image}"
    if key := given.get("CodeKey"):
        digest = key.rpartition("/")[2].removesuffix(".zip")
        return f"zip {digest[: _DIGEST - 7]}, {given.get('Runtime', '?')}"
    return "none yet"


def _activity(shown: Shown) -> Iterator[str]:
    activity = shown.activity
    if activity is None:
        return
    day = activity.day
    yield f"Last 24 h: {_many(day.invocations, 'invocation')}, {_many(day.errors, 'error')}, {day.throttles} refused"
    if activity.errors:
        yield "Last errors (lookout stack logs has all):"
        yield from (f"  {_cut(show_line(line, as_json=False))}" for line in activity.errors)


def _cut(text: str, most: int = 300) -> str:
    line = text.splitlines()[0]
    return line if len(line) <= most else f"{line[:most]}..."


def _cost(shown: Shown) -> Iterator[str]:
    cost, billing, activity = shown.cost, shown.billing, shown.activity
    if cost is None or billing is None or activity is None:
        return
    if not billing.invocations:
        yield f"The function's cost since {_time(activity.since)}: nothing, as it was not invoked"
        return
    yield (
        f"The function's cost since {_time(activity.since)}: {dollars(cost.dollars)} for "
        f"{_many(billing.invocations, 'invocation')}, {billing.gb_seconds:,.1f} GB-s"
    )
    yield f"  by {_basis(billing)},"
    yield f"  at prices of {cost.prices.region}, {cost.prices.as_of}; storage, requests and table are not in it."


def _basis(billing: Billing) -> str:
    if billing.exact:
        return "all its REPORT lines"
    if billing.reports:
        return f"CloudWatch's counts, and what {billing.reports:,} REPORT lines were billed beyond their duration"
    return "CloudWatch's counts alone, so without initialisation"


def _drift(drifts: Sequence[Drift] | None) -> Iterator[str]:
    if drifts is None:
        return
    if not drifts:
        yield "Drift: none, all that CloudFormation can check is as the stack made it."
    for drift in drifts:
        yield printable(f"Drift: {drift.logical_id} {drift.state}")
        for one in drift.differences:
            yield printable(f"  {one.path}: {one.actual} in place of {one.expected}")


def _troubles(status: StackStatus) -> Iterator[str]:
    for trouble in troubles(status):
        yield printable(f"Not well: {trouble}.")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
