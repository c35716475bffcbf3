"""The vendor layer holds what uv.lock says, no more and no less."""

import os
import re
import stat

from tools.local.template import ROOT
from tools.package import REQUIREMENTS, RUNTIME_PACKAGES, vendor_requirements

RUN = ROOT / "functions" / "gateway" / "run.sh"


def test_the_requirements_are_in_step_with_the_lock_file() -> None:
    assert REQUIREMENTS.read_text() == vendor_requirements(), "run `python -m tools.package lock`"


def test_every_requirement_is_pinned_by_hash_and_none_comes_with_the_runtime() -> None:
    entries = [entry for entry in re.split(r"\n(?=\S)", REQUIREMENTS.read_text()) if not entry.startswith("#")]

    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert {entry.split("==")[0] for entry in entries}.isdisjoint(RUNTIME_PACKAGES)


def test_run_sh_can_be_started_on_lambda() -> None:
    assert os.stat(RUN).st_mode & stat.S_IXUSR
    assert b"\r" not in RUN.read_bytes()


def test_run_sh_finds_the_app_then_the_layers_then_the_runtime() -> None:
    [path] = re.findall(r'PYTHONPATH="([^"]+)"', RUN.read_text())

    assert path.split(":", 3)[:3] == ["$LAMBDA_TASK_ROOT", "/opt/python/lib/python3.13/site-packages", "/opt/python"]
    assert path.endswith("${LAMBDA_RUNTIME_DIR:-/var/runtime}")
