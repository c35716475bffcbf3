"""Node's packages for the tests, as `tests/node` locks them, in one folder of `.tools`."""

import fcntl
import shutil
import subprocess
from pathlib import Path

from tools.local.template import ROOT

LOCKED = ROOT / "tests" / "node"
FOLDER = ROOT / ".tools" / "node"


def node_folder() -> Path:
    """Where scripts find the packages. Installs them once per lock; a second process waits for the first.

    Raises RuntimeError without npm.
    """
    if shutil.which("npm") is None:
        raise RuntimeError("Node and npm are needed here")
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted, installed = (LOCKED / "package-lock.json").read_text(), FOLDER / ".installed"
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists() or installed.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(LOCKED / name, FOLDER / name)
            command = ["npm", "ci", "--silent", "--ignore-scripts"]
            subprocess.run(command, cwd=FOLDER, check=True, timeout=180)
            installed.write_text(wanted)
    return FOLDER
