"""What `sam deploy` sends: `python -m tools.package build`, after `python -m tools.package lock` where uv.lock changed.

`sam build` alone makes a working package too. What this adds is bytecode beside our own code (the vendor layer's Makefile
does its own): Lambda's file system is read-only, so a package without it compiles at every cold start, at twice the time.
"""

import argparse
import compileall
import os
import shutil
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "layers" / "vendor" / "requirements.txt"
RUNTIME_PACKAGES = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
"""What Lambda's Python runtime brings along, so the layer does not."""

_HEADER = "# Made from uv.lock by `python -m tools.package lock`. Lambda's runtime adds boto3 and what it needs.\n"
_LAYERS_AT = "/opt"
_FUNCTIONS_AT = "/var/task"


class PackageError(RuntimeError):
    """The package would not run on Lambda; the message says what is wrong with it."""


def vendor_requirements() -> str:
    """The layer's requirements, pinned and with hashes, as uv.lock has them."""
    left_out = [argument for name in RUNTIME_PACKAGES for argument in ("--no-emit-package", name)]
    command = [str(ROOT / ".tools" / "uv" / "bin" / "uv"), "export", "--quiet", "--frozen", "--no-header"]
    command += ["--no-dev", "--no-emit-project", *left_out]
    exported = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return _HEADER + exported.stdout


def lock() -> None:
    REQUIREMENTS.write_text(vendor_requirements())


def build() -> Path:
    """`sam build`, then bytecode and a look at the result. Returns the folder that `sam deploy` reads."""
    subprocess.run([ROOT / ".tools" / "sam" / "bin" / "sam", "build"], cwd=ROOT, check=True, env=_environment())
    built = ROOT / ".aws-sam" / "build"
    for artifact in sorted(path for path in built.iterdir() if path.is_dir()):
        if artifact.name != "VendorLayer":
            _compile(artifact, _LAYERS_AT if artifact.name.endswith("Layer") else _FUNCTIONS_AT)
    check(built)
    return built


def check(built: Path) -> None:
    """Raises PackageError for what `sam build` does not notice."""
    vendor = built / "VendorLayer" / "python"
    twice = [name for name in RUNTIME_PACKAGES if (vendor / name.replace("-", "_")).exists()]
    if twice:
        raise PackageError(f"the vendor layer repeats what the runtime has: {', '.join(twice)}")
    foreign = [path.name for path in vendor.rglob("*.so") if "aarch64" not in path.name]
    if foreign:
        raise PackageError(f"built for another processor than Lambda's: {', '.join(foreign)}")
    if not (built / "CoreLayer" / "python" / "infergate" / "__init__.py").exists():
        raise PackageError("the core layer does not put infergate on the path")
    if not os.access(built / "GatewayFunction" / "run.sh", os.X_OK):
        raise PackageError("run.sh is not executable, so the gateway would not start")
    plain = [path for path in built.rglob("*.py") if not _bytecode_of(path).exists()]
    if plain:
        raise PackageError(f"no bytecode beside {plain[0].relative_to(built)} and {len(plain) - 1} more")


def _compile(artifact: Path, lands_at: str) -> None:
    """Checked by nothing at run time (unchecked-hash): a zip's timestamps are too coarse to be compared."""
    for cache in [*artifact.rglob("__pycache__")]:
        shutil.rmtree(cache)
    compiled = compileall.compile_dir(
        artifact,
        quiet=1,
        force=True,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(artifact),
        prependdir=lands_at,
    )
    if not compiled:
        raise PackageError(f"{artifact.name} holds code that does not compile")


def _bytecode_of(source: Path) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"


def _environment() -> dict[str, str]:
    """SAM and the vendor layer's Makefile look for `python3.13` on the path, where pyenv's shim may stand and fail."""
    python = Path((ROOT / ".tools" / "python").read_text().strip())
    return os.environ | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("lock", "build"))
    if parser.parse_args().step == "lock":
        lock()
    else:
        print(build())


if __name__ == "__main__":
    main()
