"""What writing to Elasticsearch costs, and how soon a line is found: `delivery.py [--url URL] [--null URL]`.

Cost: `shipper run --once` over a generated file, with all rules, secrets and redaction on, into an endpoint that stores
nothing (`null_bulk.py`, or the one of `--null`) and into a real server (`--url`, else one that the tests know how to
start). CPU and memory are the shipper's alone. Delay: lines are written at a steady rate while `shipper run` follows;
each carries the time at which it was written, and a search asks again and again which are there.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import urllib3
from run_once import CALL, HEADER, HERE, Cost, generated, pipeline_file, row, run, table

LOOK_EVERY_SECONDS = 0.02
SETTLE_SECONDS = 5.0


@contextmanager
def null_endpoint(url: str) -> Iterator[str]:
    """The URL given, or that of an endpoint of our own for as long as it is needed."""
    if url:
        yield url
        return
    command = [sys.executable, str(HERE / "null_bulk.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()
        process.communicate()


@contextmanager
def real_server(url: str) -> Iterator[str]:
    """The URL given, or that of the server of the tests."""
    if url:
        yield url
        return
    sys.path.insert(0, str(HERE.parent))
    from tests.services.elasticsearch import Servers  # noqa: PLC0415  (only who needs it pays for Java)

    with Servers.begun() as servers, servers.own("8") as server:
        yield server.client.url


class Server:
    """As much of a client as measuring takes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager()

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        sent = orjson.dumps(body) if body is not None else None
        headers = {"content-type": "application/json"}
        answer: dict[str, Any] = orjson.loads(
            self._http.request(method, self._url + path, body=sent, headers=headers).data
        )
        return answer

    def forget(self, name: str) -> None:
        """Removes all that a pipeline of this name has made."""
        indices = ",".join(self.ask("GET", f"/{name}-20*,alerts-{name}-20*?filter_path=*.aliases"))
        if indices:
            self.ask("DELETE", f"/{indices}")
        for template in (name, f"alerts-{name}"):
            self.ask("DELETE", f"/_index_template/{template}")


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def cost(endpoint: str, log: Path, rounds: int, forget: Any, **settings: Any) -> tuple[list[Cost], list[Cost]]:
    """The runs, and the runs over an empty file."""
    full, empty = [], []
    with tempfile.TemporaryDirectory(prefix="shipper-run-") as name:
        folder = Path(name)
        (folder / "empty.log").touch()
        for _ in range(rounds):
            for file, costs in ((log, full), (folder / "empty.log", empty)):
                costs.append(
                    run(pipeline_file(folder, "elasticsearch", file, url=endpoint, **settings), folder / "data")
                )
                forget()
    return full, empty


# ── delay ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(log: Path, rate: int, seconds: float) -> None:
    """Appends lines one by one, each at its moment."""
    begin = time.time()
    with log.open("ab", buffering=0) as file:
        for number in range(int(rate * seconds)):
            time.sleep(max(0.0, begin + number / rate - time.time()))
            now = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
            line = {"timestamp": stamp, "level": "INFO", "logger": "app.api.chat", "message": "Message sent",
                    "number": number, "written": now}  # fmt: skip
            file.write(orjson.dumps(line) + b"\n")


def watch(server: Server, count: int, until: float) -> list[float]:
    """Seconds from written to found, of each line, as far as they are found in time."""
    delays: list[float] = []
    query = {"size": 1000, "sort": ["number"], "_source": ["number", "written"]}
    while len(delays) < count and time.time() < until:
        time.sleep(LOOK_EVERY_SECONDS)
        wanted = {**query, "query": {"range": {"number": {"gte": len(delays)}}}}
        found = server.ask("POST", "/xionimus-20*/_search?ignore_unavailable=true", wanted)
        now = time.time()
        for place, hit in enumerate(found.get("hits", {}).get("hits", []), len(delays)):
            if hit["_source"]["number"] != place:
                break
            delays.append(now - hit["_source"]["written"])
    return delays


def delay(server: Server, url: str, rate: int, seconds: float) -> list[float]:
    """Follows a file that grows, and looks for its lines."""
    with tempfile.TemporaryDirectory(prefix="shipper-delay-") as name:
        folder = Path(name)
        log = folder / "backend.log"
        log.touch()
        pipeline = pipeline_file(folder, "elasticsearch", log, url=url)
        command = [sys.executable, "-c", CALL, "run", str(pipeline), "--data", str(folder / "data")]
        with (folder / "stderr").open("wb") as errors:
            shipper = subprocess.Popen(command, stderr=errors)
            try:
                time.sleep(SETTLE_SECONDS)
                threading.Thread(target=write, args=(log, rate, seconds), daemon=True).start()
                return watch(server, int(rate * seconds), time.time() + seconds + 30)
            finally:
                shipper.terminate()
                shipper.wait()


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="", help="a real Elasticsearch; its indices xionimus-20* are removed")
    parser.add_argument("--null", default="", help="an endpoint that stores nothing")
    parser.add_argument("--count", type=int, default=1_000_000, help="records into the null endpoint")
    parser.add_argument("--stored", type=int, default=200_000, help="records into the real server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=100, help="lines a second while the delay is measured")
    parser.add_argument("--seconds", type=float, default=60.0, help="of writing while the delay is measured")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    rows = []
    with null_endpoint(wanted.null) as url:
        for label, settings in (("null endpoint", {}), ("null, plain", {"compress": False})):
            costs = cost(url, generated(wanted.count, wanted.seed), wanted.rounds, lambda: None, **settings)
            rows.append(row(label, wanted.count, *costs))
            print(rows[-1], file=sys.stderr)
    with real_server(wanted.url) as url:
        server = Server(url)
        version = server.ask("GET", "/")["version"]["number"]
        server.forget("xionimus")
        stored = cost(url, generated(wanted.stored, wanted.seed), wanted.rounds, lambda: server.forget("xionimus"))
        rows.append(row(f"Elasticsearch {version}", wanted.stored, *stored))
        delays = delay(server, url, wanted.rate, wanted.seconds)
        server.forget("xionimus")
    print(table([HEADER, *rows]))
    print(f"\n{wanted.count:,} records (real server: {wanted.stored:,}), medians of {wanted.rounds} rounds.")
    print(
        f"From written to found, {len(delays):,} of {int(wanted.rate * wanted.seconds):,} lines at {wanted.rate}/s: "
        f"p50 {statistics.median(delays):.2f} s, p99 {percentile(delays, 0.99):.2f} s, longest {max(delays):.2f} s."
    )


if __name__ == "__main__":
    main()
