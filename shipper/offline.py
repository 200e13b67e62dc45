"""The stages over whole files, with nothing stored: what `preview` shows and `scan` counts is what `run` would do."""

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shipper.clock import SystemClock
from shipper.decode.stage import Decode
from shipper.detect.match import Detect
from shipper.enrich.stage import Config as EnrichConfig
from shipper.enrich.stage import Enrich
from shipper.metrics import Metrics
from shipper.model import Batch
from shipper.redact import KEY_ENV, KEY_FILE, Redactor, load_key
from shipper.rules import Loaded
from shipper.source.files import read_file


def fingerprint_key(data: Path) -> bytes:
    """The key of this data folder, so that fingerprints agree with what is stored; else a passing one."""
    if os.environ.get(KEY_ENV) or os.path.exists(data / KEY_FILE):
        return load_key(data, os.environ)
    return secrets.token_hex(32).encode()


class Offline:
    """Decode, enrich, detect and redact, as in a run."""

    def __init__(
        self,
        loaded: Loaded,
        key: bytes,
        enrich: EnrichConfig | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        """`reading`: arguments of `read_file`, as the pipeline's source reads."""
        self._clock = SystemClock()
        self._reading = reading or {}
        self._enrich = enrich
        self.metrics = Metrics()
        keyed = loaded.secrets.keyed(key)
        self._detect = Detect(loaded.ruleset, keyed, self.metrics)
        self.redact = Redactor(keyed, key, self.metrics)

    def batches(self, path: str) -> Iterator[tuple[Batch, list[int]]]:
        """The batches of one file (`-`: standard input), through detection, and the line (from 1) of each row."""
        decode, enrich = Decode(metrics=self.metrics), Enrich(self._enrich)
        numbers = _LineNumbers()
        for raw in read_file(path, self._clock.now(), **self._reading):
            numbers.see(raw)
            batch = self._detect(enrich(decode(raw)))
            if len(batch):
                yield batch, numbers.of(batch)


class _LineNumbers:
    """Offset → line number, for as long as a row may be held back."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._next = 1

    def see(self, raw: Batch) -> None:
        """Counts the lines of a batch as it was read."""
        for row, offset in enumerate(raw.offsets):
            self._known[offset] = self._next
            self._next += not raw.odd.get(row, "").startswith("cut")

    def of(self, batch: Batch) -> list[int]:
        """The line that each row of a decoded batch starts on; forgets what lies before the last one."""
        found = [self._known[offset] for offset in batch.offsets]
        last = batch.offsets[-1]
        self._known = {offset: number for offset, number in self._known.items() if offset > last}
        return found
