"""Standing warnings as XML (ours; in JSON output of `crm status`)."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from cli.status.warnings import Warning


def warnings_element(warnings: Sequence[Warning]) -> etree._Element:
    """`<warnings>` with one `<warning id text advice>` each."""
    out = etree.Element("warnings")
    for warning in warnings:
        attributes = {"id": warning.id, "text": warning.text, "advice": warning.advice}
        etree.SubElement(out, "warning", attributes)
    return out
