"""What older data costs: moving a day into the archive, taking it out of Elasticsearch, searching the archive.

    python benchmarks/tiers.py [--what export|elasticsearch|search|all] [--records 500000] [--count 100000] [--rounds 3]

`--records` is what is archived and searched, in days of a quarter of a million; `--count` what is exported. Without
`--url`, the Elasticsearch is the one that the tests start. The README's figures: `--records 10000000 --count 1000000`.
"""

import argparse
import sys
from collections.abc import Callable

import tiers_elasticsearch
import tiers_export
import tiers_search

REPORTS: dict[str, Callable[[argparse.Namespace], str]] = {
    "export": lambda wanted: tiers_export.report(wanted.count, wanted.seed),
    "elasticsearch": lambda wanted: tiers_elasticsearch.report(wanted.url, wanted.count, wanted.rounds, wanted.seed),
    "search": lambda wanted: tiers_search.report(wanted.records, wanted.rounds, wanted.seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=[*REPORTS, "all"], default="all")
    parser.add_argument("--records", type=int, default=500_000, help="archived records that are searched")
    parser.add_argument("--count", type=int, default=100_000, help="records that are exported")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is told")
    parser.add_argument("--url", default="", help="a real Elasticsearch; its indices xionimus-20* are removed")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    for name in REPORTS if wanted.what == "all" else [wanted.what]:
        print(f"{name} …", file=sys.stderr)
        print(REPORTS[name](wanted), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
