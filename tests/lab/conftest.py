import subprocess
import sys

import pytest

from cli.lab.plan import REPOSITORY


def _namespaces_problem() -> str:
    code = (
        "import os\n"
        "from cli.lab import kernel, launch\n"
        "os.geteuid() and launch.enter_user_namespace()\n"
        "kernel.unshare(launch._LAB)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, timeout=30
    )
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


@pytest.fixture(scope="session")
def namespaces():
    problem = _namespaces_problem()
    if problem:
        pytest.skip(f"namespaces are not allowed here: {problem}")
