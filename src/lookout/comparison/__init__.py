"""Measuring executions against each other, and telling what came of it."""
