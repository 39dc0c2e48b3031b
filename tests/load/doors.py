"""Doors: a connection into every worker, through which it can be asked what it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.load.applications import marker_host
from tests.load.connection import Answer, Connection, request
from tests.wire.harness.program import Program
from tests.workers.processes import children, owners

SETTLE_SECONDS = 15.0
_POLL_SECONDS = 0.004
_MOST_CONNECTIONS = 200


class Unsettled(AssertionError):
    """The program does not serve what the manifests say."""


class Door:
    """
    A connection that is kept, and the process that has accepted it.

    Args:
        owner: How a fault names that process.
        connection: Used for nothing else.
    """

    def __init__(self, owner: str, connection: Connection) -> None:
        self._owner = owner
        self._connection = connection
        self._turn = asyncio.Lock()

    async def wait_markers(self, files: Mapping[str, int | None]) -> float:
        """
        Ask the markers until they show what was written; return the loop's time then.

        Args:
            files: The generation of each file, None for one that is gone.

        Raises:
            Unsettled: They do not, in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        for file, generation in files.items():
            while not _shows(await self._ask(file), generation):
                if loop.time() > deadline:
                    wanted = f"{file} generation {generation}"
                    raise Unsettled(f"{wanted} is not served by {self._owner}")
                await asyncio.sleep(_POLL_SECONDS)
        return loop.time()

    async def _ask(self, file: str) -> Answer:
        # Changes that happen together ask through the same door.
        async with self._turn:
            return await self._connection.ask(request("GET", marker_host(file), "/"))

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.wait_closed()


def _shows(answer: Answer, generation: int | None) -> bool:
    if generation is None:
        return answer.status == 404
    return answer.status == 200 and bool(answer.told["path"] == f"/generation/{generation}")


def workers_of(program: Program) -> list[int]:
    """Return the process ids of the workers, oldest first; none when there is one process."""
    return [worker for nursery in children(program.process.pid) for worker in children(nursery)]


async def open_doors(program: Program) -> tuple[Door, ...]:
    """
    Open a door to every worker; to the program itself when it has none.

    Who has accepted a connection is the kernel's word (/proc), so no luck is needed to be sure
    that every worker has been asked.

    Raises:
        AssertionError: Some worker accepts nothing.
    """
    workers = workers_of(program)
    if not workers:
        return (Door("the program", await Connection.open(program.http)),)
    found: dict[int, Connection] = {}
    spare: list[Connection] = []
    while len(found) < len(workers):
        assert len(spare) < _MOST_CONNECTIONS, f"of {workers}, only {list(found)} accept"
        connection = await Connection.open(program.http)
        # An answer shows that it has been accepted.
        await connection.ask(request("GET", marker_host("common"), "/"))
        port = connection.writer.get_extra_info("sockname")[1]
        owner = owners(program.http, [port], workers).get(port)
        if owner is None or owner in found:
            # Kept for now: the one that has more leaves the next one to another.
            spare.append(connection)
        else:
            found[owner] = connection
    for connection in spare:
        await connection.wait_closed()
    return tuple(Door(f"worker {owner}", found[owner]) for owner in workers)
