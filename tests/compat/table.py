"""Every client against every capability, as one table; docs/compatibility.md holds it between two markers."""

import asyncio

from tests.compat.anthropic_python import Anthropic
from tests.compat.bench import Bench, bench
from tests.compat.capabilities import CAPABILITIES
from tests.compat.client import Client
from tests.compat.langchain_python import LangChain
from tests.compat.llm_command import Llm
from tests.compat.node_clients import node_clients
from tests.compat.openai_python import Async, Sync
from tests.compat.pydantic_ai_python import PydanticAI
from tests.support.matrix import fault_of

NODE_CLIENTS = node_clients()
CLIENTS: tuple[Client, ...] = (Async(), Sync(), *NODE_CLIENTS, LangChain(), PydanticAI(), Anthropic(), Llm())
TRIAL_S = 120
"""A failure then; never near it on a machine that is not overloaded."""

type Trial = tuple[str, str]
"""A client's slug and a capability."""

TRIALS: list[Trial] = [
    (client.slug, capability)
    for client in CLIENTS
    for capability in CAPABILITIES
    if capability not in client.not_offered
]


async def run() -> dict[Trial, str | None]:
    """Each trial's failure, None where there is none. Clients go side by side."""
    results: dict[Trial, str | None] = {}
    async with bench(client.slug for client in CLIENTS) as ready:
        try:
            await asyncio.gather(*(_visits(client, ready, results) for client in CLIENTS))
        finally:
            for client in NODE_CLIENTS:
                await client.stop()
    return results


async def _visits(client: Client, ready: Bench, results: dict[Trial, str | None]) -> None:
    places = asyncio.Semaphore(client.at_once)

    async def visit(capability: str) -> None:
        async with places:
            results[client.slug, capability] = await _failure(client, ready, capability)

    await asyncio.gather(*(visit(capability) for slug, capability in TRIALS if slug == client.slug))


async def _failure(client: Client, ready: Bench, capability: str) -> str | None:
    return await fault_of(asyncio.wait_for(CAPABILITIES[capability](client, ready), TRIAL_S))


def render(results: dict[Trial, str | None]) -> str:
    """Markdown. A capability that the client offers and nobody tried is said to be untested."""
    lines = [f"| client | {' | '.join(CAPABILITIES)} |", f"|---|{'---|' * len(CAPABILITIES)}"]
    for client in CLIENTS:
        cells = [_cell(client, capability, results) for capability in CAPABILITIES]
        lines.append(f"| {client.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(client: Client, capability: str, results: dict[Trial, str | None]) -> str:
    if capability in client.not_offered:
        return "not offered by it"
    if (client.slug, capability) not in results:
        return "untested"
    return "FAILED" if results[client.slug, capability] else "pass"
