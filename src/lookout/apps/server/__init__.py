"""The local execution: a web server over one detector."""

from __future__ import annotations

from lookout.apps.server.app import create_app, serve

__all__ = ["create_app", "serve"]
