"""A plan's report as one HTML page: findings, decisions, and the CIB that comes out.

It needs no other file and no script.  Nothing is decided here.  Source: cli.md section 8.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from crmd.haresources.model import Plan
from crmd.haresources.render import RANK, to_cib, to_crm

_STYLE = """\
body { font: 1rem/1.4 sans-serif; margin: 1rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid #999; padding: .3rem .5rem; text-align: left; vertical-align: top; }
th { background: #eee; }
pre { background: #f6f6f6; overflow-x: auto; padding: .6rem; }
.critical td:first-child, .error td:first-child { border-left: .4rem solid #b00; }
.warning td:first-child { border-left: .4rem solid #c80; }
"""


def to_html(plan: Plan) -> str:
    """The page, complete, in UTF-8."""
    findings = sorted(plan.findings, key=lambda f: RANK[f.severity])
    worst = [f for f in findings if RANK[f.severity] < 2]
    verdict = (
        f"{len(worst)} findings must be corrected or accepted before this can be applied."
        if worst
        else "Nothing stands in the way of applying this."
    )
    found = (
        (
            f.severity.value,
            (f.severity.value, f.code, str(f.place or ""), f.text, f.remedy),
        )
        for f in findings
    )
    decided = (
        ("", (str(d.place or ""), d.source, d.became, d.why, d.change)) for d in plan.decisions
    )
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>Import of a Heartbeat cluster</title>\n<style>\n{_STYLE}</style>\n</head>",
            f"<body>\n<h1>Import of a Heartbeat cluster</h1>\n<p>{verdict}</p>",
            "<h2>Findings</h2>",
            _table(("Severity", "Code", "Place", "What", "Remedy"), found),
            "<h2>Decisions</h2>",
            _table(("Place", "Written", "Became", "Why", "To change"), decided),
            f"<h2>As crm commands</h2>\n<pre>{escape(to_crm(plan))}</pre>",
            f"<h2>As CIB</h2>\n<pre>{escape(to_cib(plan).decode())}</pre>",
            "</body>\n</html>\n",
        )
    )


def _table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    lines = [
        (f'<tr class="{kind}">' if kind else "<tr>")
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for kind, cells in rows
    ]
    if not lines:
        return "<p>None.</p>"
    titles = "".join(f"<th>{title}</th>" for title in head)
    return "\n".join(("<table>", f"<tr>{titles}</tr>", *lines, "</table>"))
