"""Run our `crm_simulate` inside this process, as the recorded cases were run."""

from __future__ import annotations

import io
from dataclasses import dataclass

from cli.crm_simulate import main


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run printed, and its exit status."""

    out: str
    err: str
    code: int

    @property
    def text(self) -> str:
        """Both streams as a file would get them: standard error is not buffered."""
        return self.err + self.out


def run_simulate(argv: list[str]) -> Ran:
    """One run; never raises for what a command would report."""
    out, err = io.StringIO(), io.StringIO()
    code = main(argv, out, err, {"LC_ALL": "C"}, io.StringIO())
    return Ran(out.getvalue(), err.getvalue(), int(code))
