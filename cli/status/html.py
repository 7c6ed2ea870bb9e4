"""The status as a page: the same sections as headings and lists.  Facts: cli.md section 5."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from cli.status.listing import Listing
from cli.status.model import ClusterStatus
from cli.status.show import Show
from cli.status.text import monitor_sections

_STYLE = """.online { color: green }
.offline { color: red }
.maint { color: blue }
.standby { color: blue }
.rsc-failed { color: red }
.rsc-ok { color: green }
.warning { color: red; font-weight: bold }"""

_CLASSES = (
    ("DISABLED ***", "warning"),
    ("FAILED", "rsc-failed"),
    ("UNCLEAN", "warning"),
    ("OFFLINE", "offline"),
    ("standby", "standby"),
    ("maintenance", "maint"),
    ("\t Stopped", "rsc-failed"),
    ("\t Started", "rsc-ok"),
    ("\t Promoted", "rsc-ok"),
    ("\t Unpromoted", "rsc-ok"),
    ("nline: [", "online"),
    (": online", "online"),
)
"""Text in a line, and the class that the line gets; the first that applies."""


def page(status: ClusterStatus, show: Show, title: str) -> str:
    """A whole HTML document."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        f"<title>{escape(title)}</title>",
        '<meta charset="utf-8">',
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
    ]
    for section in monitor_sections(status, show):
        if section.title:
            lines.append(f"<h2>{escape(section.title)}</h2>")
        lines += _items(section.items)
    return "\n".join([*lines, "</body>", "</html>"]) + "\n"


def _items(items: Iterable[str | Listing]) -> Iterator[str]:
    yield "<ul>"
    for item in items:
        if isinstance(item, Listing):
            yield f"<li><h3>{escape(item.title)}</h3>"
            yield from _items(item.items)
            yield "</li>"
        elif item:
            kind = next((name for text, name in _CLASSES if text in item), None)
            text = escape(item.strip())
            yield f'<li><span class="{kind}">{text}</span></li>' if kind else f"<li>{text}</li>"
    yield "</ul>"
