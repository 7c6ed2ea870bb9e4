"""Check a configuration as `crm_verify` does: the CIB as it is, or as it is being edited."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree

    from cli.crm.shell import Shell


def verify(shell: Shell, root: etree._Element, args: Sequence[str] = ()) -> int:
    """Run the checks; the status is 0 where there are no errors."""
    from cib.document import to_text
    from cli import crm_verify

    err = io.StringIO()
    verbose = ["-V"] if not args else []
    words = ["--xml-pipe", *verbose, *args]
    rc = crm_verify.main(words, shell.out, err, shell.env, io.StringIO(to_text(root)))
    for line in err.getvalue().splitlines():
        kind, _, text = line.partition(": ")
        if kind == "error" and rc:
            shell.error(text)
        elif kind == "warning":
            shell.warning(text)
        elif rc and "\t" not in line and not line.startswith("Configuration invalid"):
            shell.error(line)
    return int(rc)
