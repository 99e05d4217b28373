"""The stub server of the benchmark: as little server as HTTP allows, so that the clients are what is measured.

An operation id says how its operation behaves: `NNNNNNNN-PPPP-4RRR-8000-xxxxxxxxxxxx` is Completed at poll 0xPPPP, and
each reply before that has a Retry-After of 0xRRR hundredths of a second. `GET /reset` returns how late polls came since
the last reset. `PUT` starts an operation the way azure-core's poller expects it.
"""

import asyncio
import json
import time
from collections import Counter
from typing import ClassVar

REPLY = "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"


class Stub(asyncio.Protocol):
    """One connection."""

    polls: ClassVar[Counter[str]] = Counter()  # shared by all connections, like the next two
    due: ClassVar[dict[str, float]] = {}
    late: ClassVar[list[float]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # for the type checker
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Answer each complete request. None has a body."""
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            method, target, _ = head.split(b" ", 2)
            self.transport.write(self.answer(method.decode(), target.decode(), head.decode("latin-1")).encode())

    def answer(self, method: str, target: str, head: str) -> str:
        """The reply to one request."""
        if target == "/reset":
            seen = reply("200 OK", json.dumps({"late": self.late, "polls": self.polls.total()}))
            for counter in (self.polls, self.due, self.late):
                counter.clear()
            return seen
        name = target.partition("?")[0].rpartition("/")[2]
        if method == "PUT":
            host = next(line for line in head.split("\r\n") if line.lower().startswith("host:"))[5:].strip()
            location = f"http://{host}/dataRegistries/operations/{name}"
            return reply("202 Accepted", "{}", f"Operation-Location: {location}\r\n")
        now = time.monotonic()
        if (due := self.due.pop(name, None)) is not None:
            self.late.append(now - due)
        self.polls[name] += 1
        if self.polls[name] >= int(name[9:13], 16):
            return reply("200 OK", json.dumps({"id": name, "status": "Completed"}))
        if seconds := int(name[15:18], 16) / 100:
            self.due[name] = now + seconds
        return reply("200 OK", json.dumps({"id": name, "status": "Running"}), f"Retry-After: {seconds:g}\r\n")


def reply(status: str, body: str, headers: str = "") -> str:
    return REPLY.format(status=status, length=len(body), headers=headers, body=body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
