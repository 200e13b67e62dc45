"""A program for supervisord: numbered JSON lines on stdout.

    numbered.py COUNT LINES_PER_SECOND BLOCK

Line n is `{"n": n, "timestamp": …, "level": "INFO", "message": …}`. BLOCK 0 writes line by line; otherwise blocks of
about that many bytes are written, of odd sizes that end in the middle of a line, as a program with a buffer does it.
LINES_PER_SECOND 0 is as fast as it goes. After the last line it waits until supervisord has gone.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

TICK_SECONDS = 0.02


def line(n: int) -> bytes:
    timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    message = f"Message {n} sent, {'x' * (n * 37 % 150)} ends here"
    return json.dumps({"n": n, "timestamp": timestamp, "level": "INFO", "message": message}).encode() + b"\n"


def pieces(count: int, block: int) -> Iterator[bytes]:
    """What goes out in one write each."""
    if not block:
        yield from (line(n) for n in range(count))
        return
    sizes, buffer = random.Random(count), b""
    for n in range(count):
        buffer += line(n)
        size = block // 2 + sizes.randrange(block) | 1
        if len(buffer) > size:
            yield buffer[:size]
            buffer = buffer[size:]
    yield buffer


def write_all(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def main() -> None:
    count, rate, block = (int(argument) for argument in sys.argv[1:])
    bytes_per_second, start, written = rate * 185, time.monotonic(), 0
    for piece in pieces(count, block):
        while rate and written > (time.monotonic() - start) * bytes_per_second:
            time.sleep(TICK_SECONDS)
        write_all(piece)
        written += len(piece)
    while os.read(0, 1):
        pass


if __name__ == "__main__":
    main()
