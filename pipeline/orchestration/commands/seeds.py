"""`python -m pipeline seeds`: mean and spread over seeds, and settings compared on the seeds that they share.

    python -m pipeline seeds reports/sweeps/NAME.csv --by sparsity.lambda --metric accuracy
    python -m pipeline seeds dense=a/probe.json dense=b/probe.json sparse=c/probe.json sparse=d/probe.json

work/seeds.py says what a table holds.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("sources", nargs="+", metavar="TABLE.csv | NAME=probe.json")
    parser.add_argument(
        "--by", action="append", default=[], help="column with a setting (default: params that vary)"
    )
    parser.add_argument("--seed", help="column with the seed (default: pretrain.seed or seed)")
    parser.add_argument(
        "--metric", action="append", default=[], help="column or path in probe.json to compare"
    )
    parser.add_argument("--baseline", help="setting that the others are compared with (default: the first)")


def main(arguments: argparse.Namespace) -> int:
    """Print the comparison. Raises InputError naming the file or the flag."""
    from pipeline.orchestration.commands.work.seeds import read_runs, report

    runs, metrics = read_runs(arguments.sources, arguments.by, arguments.seed, arguments.metric)
    print(report(runs, metrics, arguments.baseline))
    return 0
