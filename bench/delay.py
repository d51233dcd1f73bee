"""A way to a server on which all that goes there arrives later, as on a long cable.

(A kernel's own, the queueing discipline netem, is a module that not every machine has.)
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio import StreamReader, StreamWriter


async def _pass_on(source: StreamReader, sink: StreamWriter, seconds: float) -> None:
    """Each piece so long after it has come, however many are on their way."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                sink.close()
                return
            sink.write(piece)

    delivery = asyncio.create_task(deliver())
    piece = b"x"
    while piece:
        with contextlib.suppress(ConnectionError):
            piece = await source.read(65536)
        pieces.put_nowait((loop.time() + seconds, piece))
    await delivery


async def main(port: int, there: str, there_port: int, seconds: float) -> None:
    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(there, there_port)
        await asyncio.gather(_pass_on(reader, far_writer, seconds), _pass_on(far_reader, writer, 0))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
