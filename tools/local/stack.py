"""`make run`: the whole product on this machine, until Ctrl-C.

The embedded AWS with template.yaml deployed into it, the demo upstream, the catalog, a few accounts to try things with, and
the gateway on one port. Everything it starts, it stops; what it keeps lies in .local/ until `make clean`.

Environment: PORT (8080), AWS_PORT (4566), UPSTREAM_PORT (8081); OPENAI_API_KEY, or UPSTREAM_BASE_URL and UPSTREAM_API_KEY,
to sell a real provider's models beside the demo's.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infergate.catalog.compile import compile_file
from infergate.catalog.read import read_folder
from infergate.console import accounts, api_keys
from infergate.kernel.money import usd
from infergate.kernel.time import NEVER
from infergate.ledger.types import Grant
from infergate.wiring.rooms import Rooms

from tools.local.aws import EmbeddedAws, free_port
from tools.local.deploy import Build, Stack, deploy
from tools.local.template import ROOT
from tools.local.wiring import client, local_rooms

LOCAL = Path(os.environ.get("INFERGATE_LOCAL_DIR", ROOT / ".local"))
CATALOG = ROOT / "catalog"
HOST = "127.0.0.1"
ACTOR = "local stack"
PAID = "1000"


def main() -> None:
    """Returns when it was asked to stop, and everything it started has."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    state_path = LOCAL / "state.json"
    kept = _kept(state_path, LOCAL / "state.before")
    # It appears again when everything answers; the keys in it are the only ones there are, so they wait beside it.
    if state_path.exists():
        state_path.rename(LOCAL / "state.before")
    stop = _Stop()
    with contextlib.ExitStack() as started:
        say("starting the embedded AWS")
        aws = started.enter_context(EmbeddedAws(port=_port("AWS_PORT", 4566), state_dir=LOCAL / "aws"))
        say("deploying template.yaml into it")
        stack = deploy(aws.endpoint, build=Build(scratch=LOCAL / "layers"))
        environment = {**aws.environment(), **stack.environment_of("GatewayFunction"), **_passed_on()}
        upstream_port, port = _port("UPSTREAM_PORT", 8081), _port("PORT", 8080)
        rooms = local_rooms({**environment, "INFERGATE_CLOCK_OFFSET_S": ""})
        asyncio.run(_stock(rooms, environment, upstream_port))
        keys = asyncio.run(_keys(rooms, kept.get("keys", {})))
        operator = _operator(stack, environment, kept.get("operator", {}))
        log = started.enter_context((LOCAL / "processes.log").open("ab"))
        upstream = Process(["tools.local.upstream:app", "--port", str(upstream_port)], {}, log)
        variables = {**environment, "BUFFERED_API_URL": stack.api_url}
        gateway = Process(["tools.local.front:app", "--port", str(port), "--timeout-keep-alive", "75"], variables, log)
        for process in (upstream, gateway):
            started.callback(process.stop)
            process.start()
        base_url = f"http://{HOST}:{port}"
        _wait_for(f"{base_url}/healthz", gateway)
        _wait_for(f"http://{HOST}:{upstream_port}/v1/models", upstream, any_status=True)
        state = _state(base_url, aws, stack, keys, operator)
        processes = {"gateway": gateway, "upstream": upstream}
        _write(state_path, state, processes)
        _greet(base_url, keys["trial"])
        while not stop.asked:
            revived = [process.revive() for process in processes.values()]
            if any(revived):
                _write(state_path, state, processes)
            stop.wait(0.2)
        say("stopping")


def say(text: str) -> None:
    print(text, flush=True)


class _Stop:
    """Ctrl-C and SIGTERM ask; nothing is torn in the middle."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            return
        self.asked = True

    def wait(self, seconds: float) -> None:
        if not self.asked:
            time.sleep(seconds)


class Process:
    """A uvicorn of ours. In a session of its own, so that a Ctrl-C reaches it through us only, after what depends on it."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Any) -> None:
        self._command = [
            sys.executable, "-m", "uvicorn", *arguments, "--host", HOST, "--no-access-log", "--log-level", "warning",
        ]  # fmt: skip
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def revive(self) -> bool:
        """Start it again if it ended; whether it did."""
        if self.alive:
            return False
        say("a process ended; starting it again (.local/processes.log says why)")
        self.start()
        return True

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _port(variable: str, usual: int) -> int:
    """The one asked for, else the usual one, else a free one."""
    if asked := os.environ.get(variable):
        return int(asked)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, usual))
        except OSError:
            return free_port()
    return usual


def _passed_on() -> dict[str, str]:
    """What the one who runs this may set to point the gateway elsewhere: the switches of wiring.py."""
    names = ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "INFERGATE_CLOCK_OFFSET_S")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


async def _stock(rooms: Rooms, environment: Mapping[str, str], upstream_port: int) -> None:
    """The catalog in force, with the demo's channel open, and a real provider's where a key for it was given."""
    base_url = os.environ.get("UPSTREAM_BASE_URL")
    api_key = os.environ.get("UPSTREAM_API_KEY") or os.environ.get("OPENAI_API_KEY")
    file = read_folder(CATALOG)
    overrides = {f"channels.{name}.enabled": "false" for name in file.channels}
    overrides |= {
        "channels.demo.enabled": "true",
        "channels.demo.base_url": f"http://{HOST}:{upstream_port}/v1",
        "channels.openai.enabled": "true" if api_key else "false",
    }
    if base_url:
        overrides["channels.openai.base_url"] = base_url
    _put_channel_secret(environment, "demo", "demo-upstream-key")
    if api_key:
        _put_channel_secret(environment, "openai", api_key)
    await rooms.shelf.apply(compile_file(read_folder(CATALOG, overrides)), ACTOR)


def _put_channel_secret(environment: Mapping[str, str], name: str, value: str) -> None:
    service = client(environment, "secretsmanager", environment["AWS_ENDPOINT_URL"])
    reference = environment["CHANNEL_SECRET_PREFIX"] + name
    try:
        service.create_secret(Name=reference, SecretString=value)
    except service.exceptions.ResourceExistsException:
        service.put_secret_value(SecretId=reference, SecretString=value)


async def _keys(rooms: Rooms, kept: dict[str, str]) -> dict[str, str]:
    """One key for each thing worth trying, on an account of its own. Keys are shown once, so they are kept in state.json."""
    makers: dict[str, Callable[[Rooms, str], Any]] = {
        "trial": _plain,
        "rich": _rich,
        "limited": _limited,
        "empty": _plain,
        "suspended": _suspended,
        "revoked": _revoked,
    }
    keys = {}
    for name, make in makers.items():
        trial = (await rooms.shelf.current()).campaigns["trial"] if name != "empty" else None
        plan = "business" if name == "rich" else "starter"
        account, new = await accounts.open_account(
            rooms.desk, f"{name}@demo.example", name=f"Demo: {name}", plan=plan, trial=trial, actor=ACTOR
        )
        keys[name] = kept[name] if name in kept and not new else await make(rooms, account.id)
    return keys


async def _plain(rooms: Rooms, account: str) -> str:
    return (await api_keys.create(rooms.desk, account, name="demo", actor=ACTOR)).secret


async def _rich(rooms: Rooms, account: str) -> str:
    amount = usd(PAID)
    grant = Grant(rooms.desk.new_id("grant"), "paid", amount, amount, rooms.desk.now_s(), NEVER, source="demo")
    await rooms.grants.add(account, grant, cause="demo:paid", actor=ACTOR, reason="to try things with")
    return await _plain(rooms, account)


async def _limited(rooms: Rooms, account: str) -> str:
    made = await api_keys.create(rooms.desk, account, name="demo", actor=ACTOR, limits={"requests_per_minute": 5})
    return made.secret


async def _suspended(rooms: Rooms, account: str) -> str:
    secret = await _plain(rooms, account)
    await accounts.set_status(rooms.desk, account, "suspended", actor=ACTOR, reason="to show a suspended account")
    return secret


async def _revoked(rooms: Rooms, account: str) -> str:
    made = await api_keys.create(rooms.desk, account, name="demo", actor=ACTOR)
    await api_keys.revoke(rooms.desk, account, made.key.id, actor=ACTOR)
    return made.secret


def _operator(stack: Stack, environment: Mapping[str, str], kept: Mapping[str, Any]) -> dict[str, Any]:
    """A signed-up person in the group `operators`, and the environment that the `infergate` command runs in."""
    email, password = "operator@demo.example", kept.get("password") or f"Aa1!{secrets.token_urlsafe(12)}"
    cognito = client(environment, "cognito-idp", environment["AWS_ENDPOINT_URL"])
    pool = stack.outputs["UserPoolId"]
    attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
    with contextlib.suppress(cognito.exceptions.UsernameExistsException):
        cognito.admin_create_user(UserPoolId=pool, Username=email, UserAttributes=attributes, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName="operators")
    return {
        "email": email,
        "password": password,
        "user_pool_id": pool,
        "client_id": stack.outputs["UserPoolClientId"],
        "environment": dict(environment),
    }


def _kept(*places: Path) -> dict[str, Any]:
    """The state of the last run, also of one that was ended before it was up."""
    for place in places:
        if place.exists():
            state: dict[str, Any] = json.loads(place.read_text())
            return state
    return {}


def _wait_for(url: str, process: Process, *, any_status: bool = False) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own address
            return
        except urllib.error.HTTPError:
            if any_status:
                return
        except OSError:
            pass
        if not process.alive or time.monotonic() > deadline:
            raise SystemExit(f"{url} does not answer; .local/processes.log says why")
        time.sleep(0.1)


def _state(
    base_url: str, aws: EmbeddedAws, stack: Stack, keys: dict[str, str], operator: dict[str, Any]
) -> dict[str, Any]:
    return {
        "base_url": base_url,
        "aws_endpoint": aws.endpoint,
        "region": aws.region,
        "keys": keys,
        "models": {"chat": "demo-chat", "embedding": "demo-embedding"},
        "operator": operator,
        "api_url": stack.api_url,
        "stack": stack.names,
    }


def _write(path: Path, state: dict[str, Any], processes: Mapping[str, Process]) -> None:
    """Whole or not at all, and for its owner's eyes: it holds keys."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    pids = {name: process.pid for name, process in processes.items()}
    fresh.write_text(json.dumps({**state, "pids": pids}, indent=2) + "\n")
    fresh.rename(path)


def _greet(base_url: str, key: str) -> None:
    say(f"""
InferGate is up: {base_url}/v1   ($20 of trial credit on the key below; Ctrl-C stops it)

  base URL  {base_url}/v1
  API key   {key}

curl -sN {base_url}/v1/chat/completions -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
  -d '{{"model": "demo-chat", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

More keys (rich, limited, empty, suspended, revoked) and everything else are in .local/state.json.""")


if __name__ == "__main__":
    main()
