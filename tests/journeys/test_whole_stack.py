"""`make run` as a newcomer meets it: the whole stack in its own processes, the printed line, the operator's command.

Started once for this file, in a folder of its own.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.support.node import node_folder
from tools.local.aws import free_port
from tools.local.template import ROOT


@dataclass
class Running:
    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[str]
    printed: str

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def infergate(self, *arguments: str, ahead_s: int = 0, ok: bool | None = True) -> list[dict[str, Any]]:
        """The operator's command, as it would be typed; its answers."""
        environment = {**self.environment, "INFERGATE_CLOCK_OFFSET_S": str(ahead_s)}
        command = [sys.executable, "-m", "tools.ops.main", "--json", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert ok is None or (done.returncode == 0) == ok, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def refusal(self, *arguments: str) -> str:
        """What the operator's command says where it refuses."""
        command = [sys.executable, "-m", "tools.ops.main", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode in (1, 2), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def chat(self, key: str, content: str, **how: Any) -> httpx.Response:
        body = {"model": "demo-chat", "messages": [{"role": "user", "content": content}]}
        headers = {"authorization": f"Bearer {key}"}
        return httpx.post(
            f"{self.state['base_url']}/v1/chat/completions", json=body, headers=headers, timeout=20, **how
        )


def start(folder: Path) -> Running:
    ports = {name: str(free_port()) for name in ("PORT", "AWS_PORT", "UPSTREAM_PORT")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "UPSTREAM_"))}
    environment = {**kept, **ports, "INFERGATE_LOCAL_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    log = (folder.parent / f"{folder.name}.log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.local.stack"],
        cwd=ROOT,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for _ in range(900):
        printed = Path(log.name).read_text()
        if "More keys" in printed:
            return Running(folder, environment, process, printed)
        assert process.poll() is None, printed
        time.sleep(0.1)
    process.kill()
    raise AssertionError(f"not up in 90 s: {printed}")


def stop(running: Running) -> None:
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(40) == 0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    stack = start(tmp_path_factory.mktemp("stack") / "local")
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stop(stack)


def test_the_printed_curl_line_works_as_printed(running: Running) -> None:
    line = re.search(r"^curl .*?^  -d '.*?'$", running.printed, re.S | re.M)
    assert line is not None
    done = subprocess.run(
        shlex.split(line[0].replace("\\\n", " ")), capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout.rstrip().endswith("data: [DONE]")
    pieces = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("data: {")]
    assert "Hello" in "".join(piece["choices"][0]["delta"].get("content") or "" for piece in pieces)


def test_the_state_file_has_what_other_programs_drive_the_stack_by(running: Running) -> None:
    state = running.state

    assert set(state["keys"]) == {"trial", "rich", "limited", "empty", "suspended", "revoked"}
    assert set(state["models"]) == {"chat", "embedding"}
    assert {"base_url", "aws_endpoint", "region", "operator"} <= set(state)
    statuses = {name: running.chat(key, "Hi").status_code for name, key in state["keys"].items()}
    assert statuses == {"trial": 200, "rich": 200, "limited": 200, "empty": 402, "suspended": 403, "revoked": 401}


def test_the_operators_command_opens_accounts_and_moves_credit(running: Running) -> None:
    account, balance = running.infergate("account", "create", "--email", "Ada+x@Example.com", "--name", "Ada")
    again, _ = running.infergate("account", "create", "--email", "ada@example.com")
    assert (account["new"], again["new"], again["account"]) == (True, False, account["account"])
    assert balance["available"] == "20.00"

    for _ in range(2):
        running.infergate("credit", "ada@example.com", "5.50", "--reason", "late delivery", "--cause", "case-17")
    (key,) = running.infergate("key", "create", "ada@example.com", "--name", "ci")
    answer = running.chat(key["secret"], "demo: tokens=7 prompt=3")
    wallet, *grants = running.infergate("balance", "ada@example.com")

    assert answer.headers["x-infergate-cost"] == "0.000012"
    assert (wallet["available"], wallet["spent"], wallet["difference"]) == ("25.499988", "0.000012", "0.00")
    assert sorted(grant["left"] for grant in grants) == ["19.999988", "5.50"]
    (receipt,) = running.infergate("receipts", "ada@example.com")
    assert receipt["request_id"] == answer.headers["x-request-id"]
    assert running.infergate("receipts", "ada@example.com", receipt["request_id"]) == [receipt]


def test_the_operators_command_rotates_and_revokes_keys_and_suspends(running: Running) -> None:
    running.infergate("account", "create", "--email", "eve@example.com")
    (key,) = running.infergate("key", "create", "eve@example.com")
    (fresh,) = running.infergate("key", "rotate", "eve@example.com", key["key"], "--grace-s", "0")
    assert running.chat(key["secret"], "Hi").status_code == 401
    assert running.chat(fresh["secret"], "Hi").status_code == 200

    running.infergate("suspend", "eve@example.com", "--reason", "a test")
    assert running.chat(fresh["secret"], "Hi").status_code == 403
    running.infergate("reinstate", "eve@example.com", "--reason", "a test")
    assert running.chat(fresh["secret"], "Hi").status_code == 200

    running.infergate("key", "revoke", "eve@example.com", fresh["key"])
    assert running.chat(fresh["secret"], "Hi").status_code == 401
    assert [k["state"] for k in running.infergate("key", "list", "eve@example.com")] == ["expired", "revoked"]


def test_the_operators_command_says_in_one_line_what_is_wrong(running: Running) -> None:
    for arguments in (
        ("balance", "nobody@example.com"),
        ("credit", "trial@demo.example", "1e9", "--reason", "x"),
        ("credit", "trial@demo.example", "-5", "--reason", "x"),
        ("suspend", "trial@demo.example", "--reason", " "),
    ):
        assert len(running.refusal(*arguments).strip().splitlines()) <= 4


def test_the_operators_command_changes_the_catalog_shows_the_difference_and_puts_it_back(
    running: Running,
) -> None:
    before = running.infergate("catalog", "show")
    (in_force, *_) = running.infergate("catalog", "history")
    house = str(ROOT / "catalog" / "house.yaml")
    dearer = [house, "--set", 'models.demo-chat.routes.demo-chat-a.markup="1.10"']
    running.infergate("catalog", "apply", house, "--reason", "as committed")

    assert running.infergate("catalog", "diff", house) == []
    (_, shown, _) = running.infergate("catalog", "diff", *dearer)
    assert shown == {"path": "models.demo-chat.routes.demo-chat-a.price.input", "in_force": "0.50", "new": "0.55"}

    (applied,) = running.infergate("catalog", "apply", *dearer, "--reason", "costs rose")
    (now, earlier, *_) = running.infergate("catalog", "history")
    assert (now["version"], now["reason"]) == (applied["version"], "costs rose")
    assert earlier["reason"] == "as committed"

    (_, back, _) = running.infergate("catalog", "rollback", "--reason", "they did not")
    assert (back["in_force"], back["new"]) == ("0.55", "0.50")
    running.infergate("catalog", "rollback", in_force["version"], "--reason", "where we came from")
    assert running.infergate("catalog", "show") == before


def test_a_catalog_with_mistakes_is_refused_whole_with_every_one_of_them(running: Running) -> None:
    before = running.infergate("catalog", "history")
    wrong = ["--set", "plans.starter.concurrency=0", "--set", 'price_books.demo-chat.input="cheap"']

    said = running.refusal("catalog", "apply", str(ROOT / "catalog"), *wrong)

    assert "house.yaml: plans.starter.concurrency: " in said
    assert "house.yaml: price_books.demo-chat.input: " in said
    assert running.infergate("catalog", "history") == before


def test_the_operators_command_sees_and_resets_channels_and_sets_an_accounts_terms(running: Running) -> None:
    phases = {row["channel"]: row["phase"] for row in running.infergate("channel", "list")}
    assert phases["demo"] == "closed"
    assert running.infergate("channel", "reset", "demo") == [{"channel": "demo", "phase": "closed"}]

    (account, *_) = running.infergate("account", "create", "--email", "terms@example.com")
    (terms,) = running.infergate(
        "terms", account["account"], "--price-bp", "9000", "--region", "eu", "--reason", "deal"
    )
    assert (terms["price_bp"], terms["regions"]) == (9000, ["eu"])
    assert "There is no plan gold" in running.refusal("terms", account["account"], "--plan", "gold", "--reason", "x")


def test_a_gateway_killed_in_mid_stream_charges_nothing_and_leaves_no_hold_after_the_sweep(running: Running) -> None:
    running.infergate("account", "create", "--email", "kim@example.com")
    (key,) = running.infergate("key", "create", "kim@example.com")
    body = {
        "model": "demo-chat",
        "stream": True,
        "messages": [{"role": "user", "content": "demo: tokens=500 delay_ms=50"}],
    }
    headers = {"authorization": f"Bearer {key['secret']}"}
    url = f"{running.state['base_url']}/v1/chat/completions"
    killed = running.state["pids"]["gateway"]

    def read_until_killed() -> None:
        with httpx.stream("POST", url, json=body, headers=headers) as answer:
            for number, _ in enumerate(answer.iter_lines()):
                if number == 6:
                    os.kill(killed, signal.SIGKILL)

    with pytest.raises(httpx.HTTPError):
        read_until_killed()
    assert running.infergate("balance", "kim@example.com")[0]["holds"] == 1

    running.infergate("sweep", ahead_s=300)
    assert running.infergate("balance", "kim@example.com")[0]["holds"] == 1, "its request may still be running"
    running.infergate("sweep", ahead_s=900)

    wallet = running.infergate("balance", "kim@example.com")[0]
    assert (wallet["holds"], wallet["available"], wallet["spent"]) == (0, "20.00", "0.00")
    assert running.infergate("receipts", "kim@example.com")[0]["reason"] == "abandoned"
    assert running.infergate("audit")[-1]["clean"] is True
    for _ in range(100):
        if running.state["pids"]["gateway"] != killed:
            break
        time.sleep(0.1)
    for _ in range(100):
        try:
            assert running.chat(key["secret"], "Hi").status_code == 200
            break
        except httpx.TransportError:
            time.sleep(0.1)
    else:
        raise AssertionError("the gateway did not come back")


def test_credit_expires_by_the_clock_that_the_stack_was_given(running: Running) -> None:
    running.infergate("account", "create", "--email", "tim@example.com")

    (expired,) = running.infergate("expire", ahead_s=91 * 86_400)

    assert expired["failed"] == 0
    assert running.infergate("balance", "tim@example.com")[0]["available"] == "0.00"
    assert running.infergate("audit")[-1]["clean"] is True


def test_a_person_signs_up_confirms_and_has_an_account_with_its_trial_and_a_key(running: Running) -> None:
    state = running.state
    cognito = boto3.client(
        "cognito-idp",
        endpoint_url=state["aws_endpoint"],
        region_name=state["region"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client_id, pool = state["operator"]["client_id"], state["operator"]["user_pool_id"]
    email, password = "nina@example.com", "Correct-horse-7"
    cognito.sign_up(
        ClientId=client_id, Username=email, Password=password, UserAttributes=[{"Name": "email", "Value": email}]
    )
    cognito.confirm_sign_up(ClientId=client_id, Username=email, ConfirmationCode="123456")
    tokens = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client_id,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )["AuthenticationResult"]
    api = httpx.Client(
        base_url=state["base_url"], headers={"authorization": f"Bearer {tokens['AccessToken']}"}, timeout=30
    )

    profile = api.get("/api/profile")
    assert profile.json().get("email") == email, profile.text
    assert api.get("/api/credits").json()["available"] == "20.00"
    made = api.post("/api/keys", json={"name": "laptop"})
    assert made.status_code == 201
    assert running.chat(made.json()["secret"], "Hi").status_code == 200
    assert "secret" not in api.get("/api/keys").json()["data"][0]
    assert api.post("/api/keys", json={"name": "x", "balance": "99"}).status_code == 400
    assert api.delete(f"/api/keys/{made.json()['id']}").json()["state"] == "revoked"
    assert running.chat(made.json()["secret"], "Hi").status_code == 401
    assert httpx.get(f"{state['base_url']}/api/profile").status_code == 401


def code_blocks(language: str) -> list[str]:
    """Of README.md, in order, as they stand."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)


def as_here(running: Running, text: str) -> str:
    """The README speaks of the usual ports and folder; this stack has others."""
    demo = "--set channels.demo.enabled=true"
    upstream = f"--set channels.demo.base_url=http://127.0.0.1:{running.environment['UPSTREAM_PORT']}/v1"
    text = text.replace(demo, f"{demo} {upstream}").replace("http://127.0.0.1:8080", running.state["base_url"])
    return text.replace(".local/", f"{running.folder}/")


def client_environment(running: Running) -> dict[str, str]:
    state = running.state
    return {
        **running.environment,
        "OPENAI_BASE_URL": f"{state['base_url']}/v1",
        "OPENAI_API_KEY": state["keys"]["rich"],
    }


def test_every_shell_command_of_the_readme_works_as_printed(running: Running) -> None:
    blocks = code_blocks("sh")
    assert blocks[:2] == ["make run\n", "make test\n"], "those two are what starts this test"
    for block in blocks[2:]:
        script = "set -euo pipefail\n" + as_here(running, block)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=running.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, script + done.stdout + done.stderr
    assert "clean=True" in done.stdout


def test_the_readmes_python_works_as_printed(running: Running) -> None:
    (block,) = code_blocks("python")
    command = [sys.executable, "-c", block]
    done = subprocess.run(
        command, env=client_environment(running), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout
    assert "0.0000" in done.stdout


def test_the_readmes_javascript_works_as_printed(running: Running) -> None:
    (block,) = code_blocks("javascript")
    if shutil.which("npm") is None:
        pytest.skip("no Node here")
    folder = node_folder()
    (folder / "readme.mjs").write_text(block)
    done = subprocess.run(
        ["node", "readme.mjs"],
        cwd=folder,
        env=client_environment(running),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Hello" in done.stdout


def test_the_operator_reviews_a_refund_a_dispute_and_an_adjustment(running: Running) -> None:
    running.infergate("account", "create", "--email", "rob@example.com", "--no-trial")
    running.infergate(
        "credit", "rob@example.com", "50", "--kind", "paid", "--reason", "bought", "--cause", "payment:pi_9"
    )

    running.infergate("refund", "request", "rob@example.com", "20", "--reason", "moving on", "--case", "r1")
    assert [row["refund"] for row in running.infergate("refund", "list")] == ["r1"]
    running.infergate("refund", "approve", "rob@example.com", "r1")
    running.infergate("refund", "sent", "rob@example.com", "r1")
    (ended,) = running.infergate("refund", "refunded", "rob@example.com", "r1", "--reference", "re_1")
    assert ended["state"] == "refunded"
    running.infergate("refund", "reject", "rob@example.com", "r1", "--reason", "too late", ok=False)

    running.infergate("adjust", "propose", "rob@example.com", "500", "--reason", "outage", "--case", "a1")
    running.infergate("adjust", "decide", "rob@example.com", "a1", "approve", ok=False)
    running.infergate("adjust", "decide", "rob@example.com", "a1", "reject")

    wallet, *_ = running.infergate("balance", "rob@example.com")
    assert (wallet["available"], wallet["debited"]) == ("30.00", "20.00")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
    rows = running.infergate("statement", "rob@example.com", "--from", today, "--to", tomorrow, "--format", "jsonl")
    assert rows[-1]["balance"] == "30.00"
    assert running.infergate("audit", "rob@example.com")[-1]["clean"] is True


def test_the_audit_compares_usage_totals_with_receipts(running: Running) -> None:
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for _ in range(60):
        # The stream brings the last receipts a moment later.
        rows = running.infergate("audit", "--usage-day", today, ok=None)
        if rows[-1]["clean"]:
            break
        time.sleep(0.5)

    assert rows[-1]["clean"] is True
    assert {"identity": "usage totals", "difference": 0} in rows


def test_ctrl_c_stops_everything_and_the_data_is_there_again_after_a_restart(running: Running) -> None:
    before = running.state
    running.infergate("account", "create", "--email", "zoe@example.com")
    stop(running)
    for pid in before["pids"].values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    for url in (before["base_url"], before["aws_endpoint"]):
        with pytest.raises(httpx.TransportError):
            httpx.get(url, timeout=2)

    again = start(running.folder)
    try:
        assert again.state["keys"] == before["keys"]
        assert again.infergate("account", "create", "--email", "zoe@example.com")[0]["new"] is False
        assert again.chat(again.state["keys"]["rich"], "Hi").status_code == 200
        assert again.infergate("audit")[-1]["clean"] is True
    finally:
        stop(again)
