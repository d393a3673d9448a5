"""From a run's samples to all that a report shows of it. Pure: the same samples and settings, the same findings."""

from __future__ import annotations

from lookout.comparison.analysis.findings_of import findings_of
from lookout.comparison.analysis.settings import Settings

__all__ = ["Settings", "findings_of"]
