"""docs/compatibility.md: its table, and its code blocks, each of which is run as printed."""

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from tests.compat.bench import Place
from tests.support.node import node_folder
from tools.local.template import ROOT

PAGE = ROOT / "docs" / "compatibility.md"


def snippets() -> dict[str, tuple[str, str]]:
    """By heading: the language and the code of its only block."""
    found = {}
    for section in PAGE.read_text().split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        ((language, code),) = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        found[heading] = (language, code)
    return found


async def run_snippet(heading: str, at: Place) -> str:
    """What it prints. The two variables that the page names are all it is told."""
    language, code = snippets()[heading]
    with tempfile.TemporaryDirectory() as home:
        where = {"INFERGATE_URL": at.url, "INFERGATE_KEY": at.key, "LLM_USER_PATH": home}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = await asyncio.create_subprocess_exec(
            *_command(language, code),
            cwd=await asyncio.to_thread(node_folder) if language == "javascript" else home,
            env={**os.environ, **where, "PATH": path},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def _command(language: str, code: str) -> tuple[str, ...]:
    commands = {
        "python": (sys.executable, "-c", code),
        "sh": ("bash", "-euc", code),
        "javascript": ("node", "--input-type=module", "-e", code),
    }
    return commands[language]
