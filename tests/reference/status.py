"""Compare only the current status of every case: `python -m tests.reference.status [NAME...]`.

Needs no assignment and no actions, so it works as soon as the CIB can be unpacked.
"""

from __future__ import annotations

import difflib
import sys
import traceback
from collections import Counter

from tests.reference.cases import Case, find_cases


def current_part(summary: str) -> list[str]:
    """Lines before the transition summary, white space squeezed, blank lines dropped."""
    lines = []
    for line in summary.splitlines():
        if line.startswith("Transition Summary"):
            break
        squeezed = "".join(line.split())
        if squeezed:
            lines.append(squeezed)
    return lines


def produced(case: Case) -> list[str]:
    """The same part as our `crm_simulate` prints it."""
    from tests.reference.running import run_simulate

    return current_part(run_simulate(["-x", str(case.xml), *case.arguments]).text)


def main(names: list[str]) -> int:
    good, bad, why = 0, [], Counter[str]()
    for case in find_cases():
        if names and case.name not in names:
            continue
        want = current_part(case.expected("summary"))
        try:
            got = produced(case)
        except Exception as e:
            why[traceback.format_exc().strip().splitlines()[-1]] += 1
            if names:
                traceback.print_exc()
            bad.append(case.name)
            got = [f"{type(e).__name__}: {e}"]
            continue
        if want == got:
            good += 1
            continue
        bad.append(case.name)
        if names or len(bad) < 15:
            diff = difflib.unified_diff(want, got, "want", "got", n=0, lineterm="")
            print(case.name, *list(diff)[2:14], sep="\n   ")
    print(f"{good} of {good + len(bad)} alike; not: {' '.join(bad[:60])}")
    for line, count in why.most_common(12):
        print(count, line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
