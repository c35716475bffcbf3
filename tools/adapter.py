"""AWS's Lambda Web Adapter, built from its crate once and kept: `python -m tools.adapter` prints where the binary is.

The layer that the template names is the same program, some releases later; crates.io has it up to 1.0.0-rc1. The first
call takes a few minutes and Rust; later ones only look.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CRATE = "lambda_web_adapter"
VERSION = "1.0.0-rc1"
NAME = "lambda-adapter"  # what the crate calls its binary


class NoCargoError(RuntimeError):
    """Rust is not installed, and nothing was built before."""

    def __init__(self) -> None:
        super().__init__(
            "the Lambda Web Adapter is built with cargo, which is not on the PATH: install Rust (rustup), "
            f"or put a binary of your own at {path()}"
        )


def folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "infergate" / f"lambda-web-adapter-{VERSION}"


def path() -> Path:
    return folder() / "bin" / NAME


def binary() -> Path:
    """The adapter, built if it must be. Raises NoCargoError, or CalledProcessError when the build fails."""
    if not path().exists():
        build()
    return path()


def build() -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        raise NoCargoError
    print(f"building {CRATE} {VERSION} into {folder()}, once; it takes a few minutes", file=sys.stderr)
    wanted = [CRATE, "--version", VERSION, "--locked", "--root", str(folder())]
    subprocess.run([cargo, "install", "--quiet", *wanted], check=True, stdout=sys.stderr)


def main() -> int:
    try:
        print(binary())
    except NoCargoError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"cargo could not build {CRATE} {VERSION} (exit {error.returncode})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
