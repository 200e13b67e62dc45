"""`python -m tests.soak [--seconds 3600] [--seed 1] [--keep DIR]`: as long as wanted; ends with 1 when a line is lost
that was not reported, or stored twice."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import soak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="an empty folder; what is left can be looked at")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shipper-soak-") as folder:
        result = soak(wanted.keep or Path(folder), wanted.seed, wanted.seconds)
    print(f"seed {wanted.seed}, {wanted.seconds:g} s: {result}")
    for name in ("twice", "unexplained"):
        if found := getattr(result, name):
            print(f"{name}: {found[:20]}")
    return 0 if result.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
