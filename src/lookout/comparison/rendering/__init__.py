"""Findings -> the page and the text that people read: ``report.html`` and ``report.md``.

::

    document     what a report is made of: sections of words, tables, plots, pictures
    sections     findings -> that
    plots        one function a plot; drawn by matplotlib, the only place that needs it
    page         that -> one HTML file, without a link to anywhere
    markdown     that -> a text, its plots left out and their numbers kept
"""

from lookout.comparison.rendering.markdown import render_markdown
from lookout.comparison.rendering.page import render_html

__all__ = ["render_html", "render_markdown"]
