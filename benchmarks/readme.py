"""The numbers of README.md: its marked blocks, written from the committed metrics and benchmark results.

    python -m benchmarks.readme

rewrites what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`; the rest of the page is written by
hand. tests/test_docs.py fails where the page and its sources differ.
"""

import re
import statistics
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.study import page as study_page
from pipeline.files import read_json
from pipeline.orchestration.commands.work.result import result

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
PAGE = ROOT / "README.md"
METHODS = {"none": "I-JEPA", "oi_vae": "SparseJEPA"}
TWIN = ", the dense twin"
STUDIES = {"scenes": "grouping-scenes", "CIFAR-100": "grouping-cifar100"}
MOST_LISTED = 3  # numbers that a sentence lists one by one
COLUMNS = (
    "method",
    "set",
    "linear, %",
    "k-NN, %",
    "at initialisation, %",
)


def finding() -> str:
    """What the method changed in the committed run, in which labels, and over seeds."""
    probes = metrics("probe")
    accuracy = probes["summary"]["scenes"]["mean_accuracy"]
    difference = probes["summary"]["scenes"]["less_twin"]["accuracy"]
    points = [signed(100 * difference[key]) for key in ("mean", "ci95_low", "ci95_high")]
    labels = {
        label: views["encoder"]["less_twin"]
        for label, views in probes["scenes"].items()
        if "accuracy" in views["encoder"] and not label.startswith("patch_")
    }
    most = max(labels, key=lambda label: labels[label])
    scenes = read_studies()["scenes"]
    return (
        f"Linear probes read {len(labels)} labels of generated images at "
        f"{100 * accuracy['encoder']:.1f} % on average,\n"
        f"from the dense twin at {100 * accuracy['twin']:.1f} %.\n"
        f"The difference is {points[0]} points (95 % interval {points[1]} to {points[2]}); "
        f"over seeds: {less_twin(scenes, 'default')}.\n"
        f"One label, {most}, gains {signed(100 * labels[most])} points, "
        f"{100 * labels[most] / sum(labels.values()):.0f} % of the gain; "
        f"count changes by {signed(100 * labels['count'])}."
    )


def ending() -> str:
    """What `make repro` prints last, without the table before it and the end of the verdict."""
    *_, less_twin, verdict, report = result(ROOT).split("\n\n")
    printed = [
        less_twin,
        "",
        *textwrap.wrap(textwrap.shorten(verdict, 240, placeholder=" ..."), 96),
        "",
        report.replace(str(ROOT), "..."),
    ]
    return "\n".join(["```text", *printed, "```"])


def results() -> str:
    """A row per setting: the default and its twin over seeds, on both sets."""
    rows = [over_seeds(images, view) for images in STUDIES for view in ("", ", twin")]
    return markdown_table(COLUMNS, rows, left=(0, 1))


def claims() -> str:
    """The paper's claims with the verdicts of docs/results.md, and the gains behind the first."""
    claims, sets = list(study_page.claims().items()), study_page.GAIN_SETS.values()
    said = markdown_table(("the paper says", "here, in points"), claims, left=(0, 1))
    gains = markdown_table(("linear probe, SparseJEPA less", *sets), study_page.gains(), left=(0,))
    return re.sub(r"(?<=[ (])-(?=[0-9])", "−", f"{said}\n\n{gains}")


def speed() -> str:
    """A sentence for each machine that benchmarks.peer was committed from."""
    sentences = []
    for path in sorted([*RESULTS.glob("peer*.json"), *RESULTS.glob("peer/*.json")]):
        peer = read_json(path)
        shares = [value for key, value in peer.items() if re.match("limit_share_.*_joint_", key)]
        rates = {
            precision: span([v for k, v in peer.items() if re.match(f"ratio_.*_joint_.*{precision}$", k)])
            for precision in ("bf16", "fp32")
        }
        machine, limits = peer["machine"]["device"].removeprefix("cpu: "), peer["gflops"]
        sentences += [
            f"On {machine} ({limits['bf16']:.0f} GFLOP/s in bf16, {limits['fp32']:.0f} in fp32), "
            f"a training step runs at {rates['bf16']} times",
            f"the rate of lightly's I-JEPA in bf16 and {rates['fp32']} times in fp32, "
            f"at {100 * min(shares):.0f} to {100 * max(shares):.0f} % of the machine's limit.",
        ]
    return "\n".join(sentences)


BLOCKS: dict[str, Callable[[], str]] = {
    "finding": finding,
    "ending": ending,
    "results": results,
    "claims": claims,
    "speed": speed,
}


def fill(text: str) -> str:
    """The page with every marked block written anew. Raises ValueError where a block has no marks."""
    for name, write in BLOCKS.items():
        begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
        head, mark, rest = text.partition(begin)
        _, closing, tail = rest.partition(end)
        if not (mark and closing):
            raise ValueError(f"README.md: no {begin.strip()} ... {end.strip()}")
        text = head + begin + write() + end + tail
    return text


def metrics(stage: str) -> dict[str, Any]:
    return read_json(ROOT / f"reports/metrics/{stage}.json")


def read_studies() -> dict[str, pd.DataFrame]:
    """The tables of benchmarks.twins, a row a run, by set."""
    return {title: pd.read_csv(RESULTS / f"studies/{name}.csv") for title, name in STUDIES.items()}


def over_seeds(images: str, view: str) -> tuple[str, ...]:
    """The default over the seeds of the study of a set; view: "" for the encoder, ", twin" for the twin."""
    study = read_studies()[images]
    rows = study[study["setting"] == "default"]
    run = metrics("twin" if view else "pretrain")
    scores = [list(rows[key]) for key in (f"linear{view}", f"k-NN{view}", "at initialisation")]
    return (
        METHODS[run["sparsity"]["method"]] + (TWIN if view else ""),
        f"{images}, {len(rows)} seeds",
        *map(mean, scores),
    )


def less_twin(runs: pd.DataFrame, setting: str) -> str:
    """The linear probe of a study's setting less the twin's, in points."""
    rows = runs[runs["setting"] == setting]
    return by_seed(list(rows["linear"] - rows["linear, twin"]))


def by_seed(points: list[float]) -> str:
    """Seed by seed, of many seeds the mean and the ends."""
    if len(points) <= MOST_LISTED:
        return ", ".join(map(signed, points))
    ends = f"{signed(min(points))} to {signed(max(points))}"
    return f"{signed(statistics.mean(points))} on average ({ends}, {len(points)} seeds)"


def mean(values: list[float]) -> str:
    """Mean, and where there are several values their standard deviation."""
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def span(values: list[float], digits: int = 1) -> str:
    """From the first to the last in order of size, given once where both read the same; – for no value."""
    if not values:
        return "–"
    ends = [f"{value:.{digits}f}".replace("-", "−") for value in (min(values), max(values))]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def signed(value: float) -> str:
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def markdown_table(header: tuple[str, ...], rows: list[tuple[str, ...]], left: tuple[int, ...]) -> str:
    rule = ["---" if column in left else "--:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text()))
