"""Writes thin executables for our agents into a directory tree: `python -m ocf.install DIR`.

DIR becomes an OCF_ROOT (`resource.d/PROVIDER/TYPE`); with `--ha-d DIR` also Heartbeat's
`resource.d/NAME` scripts.  A launcher starts the interpreter without site and looks only where
this package and pyroute2 are, because start latency counts.  Facts: ocf.md sections 1 and 6.1.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path

from ocf.classes import PYTHON_AGENTS, launcher_mark

_LAUNCHER = """#!{python} -IS
{mark}
import sys
sys.path[:0] = {places!r}
from ocf.agent import call_target
sys.exit(call_target({target!r}, sys.argv[1:]))
"""


def search_places() -> list[str]:
    """Directories that hold this package and the libraries the agents use."""
    places = [str(Path(__file__).resolve().parent.parent)]
    for package in ("pyroute2", "sh"):
        spec = importlib.machinery.PathFinder.find_spec(package)
        if spec is not None and spec.origin is not None:
            origin = Path(spec.origin)
            is_package = origin.name == "__init__.py"
            places.append(str((origin.parent.parent if is_package else origin.parent).resolve()))
    return list(dict.fromkeys(places))


def write_launcher(path: Path, target: str, python: str) -> None:
    """One executable for `module:attribute`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    text = _LAUNCHER.format(
        python=python, mark=launcher_mark(target), places=search_places(), target=target
    )
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def install(ocf_root: Path, ha_d: Path | None = None, python: str = sys.executable) -> list[Path]:
    """Write all launchers, to be run by the interpreter `python`; their paths, sorted."""
    written = []
    for (klass, provider, name), target in sorted(PYTHON_AGENTS.items(), key=str):
        if klass == "ocf":
            path = ocf_root / "resource.d" / str(provider) / name
        elif ha_d is not None:
            path = ha_d / "resource.d" / name
        else:
            continue
        write_launcher(path, target, python)
        written.append(path)
    return sorted(written)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m ocf.install", description=__doc__)
    parser.add_argument("ocf_root", type=Path, metavar="DIR", help="becomes OCF_ROOT")
    parser.add_argument("--ha-d", type=Path, help="gets Heartbeat's resource.d as well")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the launchers")
    options = parser.parse_args(argv)
    try:
        written = install(options.ocf_root.resolve(), options.ha_d, options.python)
    except OSError as e:
        sys.stderr.write(f"ocf.install: {e.filename}: {e.strerror}\n")
        return 73
    sys.stdout.writelines(f"{path}\n" for path in written)
    return 0


if __name__ == "__main__":
    sys.exit(main())
