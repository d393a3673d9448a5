"""What is looked at before anything is made in an account, so that nothing is begun that can't end well.

Each module gathers facts by small functions that take a client, and decides by pure ones what they mean.
"""

from __future__ import annotations

from lookout.cloud.preflight.check import Check, Package, Wanted
from lookout.cloud.preflight.running import preflight, preflight_keys

__all__ = ["Check", "Package", "Wanted", "preflight", "preflight_keys"]
