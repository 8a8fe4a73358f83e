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
import yaml

from pipeline.files import read_json
from pipeline.orchestration.commands.result import result

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
PAGE = ROOT / "README.md"
SETS = {"scenes": "scenes", "folder": "CIFAR-10", "CIFAR-10 folder": "CIFAR-10"}
PRESETS = {"scenes": "default", "folder": "cifar10-folder", "CIFAR-10 folder": "cifar10-folder"}
METHODS = {"none": "I-JEPA", "oi_vae": "SparseJEPA"}
TWIN = ", the dense twin"
STUDIES = {"scenes": "grouping-scenes", "CIFAR-100": "grouping-cifar100"}
EARLIER = {"oi_vae": "earlier SparseJEPA"}  # VICReg, 16 groups, weight 0.1: the default before
COLUMNS = (
    "method",
    "set",
    "steps",
    "linear, %",
    "k-NN, %",
    "at initialisation, %",
    "device",
    "minutes",
    "preset",
)


def finding() -> str:
    """What sparsity changed in the committed default run, in which labels, over seeds, and with lambda 0."""
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
    runs = pd.read_csv(RESULTS / "studies/grouping-scenes.csv")
    return (
        f"Found here: linear probes read {len(labels)} labels of generated images at "
        f"{100 * accuracy['encoder']:.1f} % on average,\n"
        f"from the dense twin at {100 * accuracy['twin']:.1f} %.\n"
        f"The difference is {points[0]} points (95 % interval {points[1]} to {points[2]}), "
        f"by seed {less_twin(runs, 'default')}.\n"
        f"One label, {most}, gains {signed(100 * labels[most])} points, "
        f"{100 * labels[most] / sum(labels.values()):.0f} % of the whole gain; "
        f"count changes by {signed(100 * labels['count'])}.\n"
        f"With lambda 0, so without zeros, it is {less_twin(runs, 'lambda-0')} "
        f"({seeds(runs[runs['setting'] == 'lambda-0'].to_dict('records'))})."
    )


def ending() -> str:
    """What `make repro` prints last, without the table before it."""
    *_, less_twin, verdict, report = result(ROOT).split("\n\n")
    printed = [less_twin, "", *textwrap.wrap(verdict, 96), "", report.replace(str(ROOT), "...")]
    return "\n".join(["```text", *printed, "```"])


def results() -> str:
    """A row per setting: the default and its twin over seeds, on both sets, and whole runs of an earlier
    default on photographs."""
    pairs = [over_seeds(images, view) for images in STUDIES for view in ("", ", twin")]
    return markdown_table(COLUMNS, [*pairs, *whole_runs()], left=(0, 1, 6, 8))


def claims() -> str:
    """The paper's claims beside what was measured here."""
    studies = {title: pd.read_csv(RESULTS / f"studies/{name}.csv") for title, name in STUDIES.items()}
    runs = {title: study[study["setting"] == "default"] for title, study in studies.items()}
    links = " and ".join(
        f"[{title}](benchmarks/results/studies/{name}.md)" for title, name in STUDIES.items()
    )
    probes = "; ".join(
        f"{title} {less_twin(study, 'default')}, with lambda 0 {less_twin(study, 'lambda-0')}"
        for title, study in studies.items()
    )
    nats = "; ".join(
        f"{title} {listed(table['TC(G), nats'])} for {listed(table['TC(G), nats, twin'])} in the twin"
        for title, table in runs.items()
    )
    rows = [
        (
            "sparsity improves the probes, 40.0 to 45.4 % on CIFAR-100",
            f"Linear probe less the dense twin's, points by seed: {probes}. Studies: {links}.",
        ),
        (
            "groups are interpretable",
            f"z above 3 or below −3 on every seed: {'; '.join(map(meaning, runs, runs.values()))}.",
        ),
        (
            "grouping lowers multiinformation",
            "Any grouping does, by theorem. What groups share, in nats, beside the same groups of the twin's "
            f"features: {nats} ([theory](docs/theory.md)).",
        ),
    ]
    return markdown_table(("the paper", "here"), rows, left=(0, 1))


def meaning(title: str, runs: pd.DataFrame) -> str:
    """On a set: which numbers of the groups lie above, and which below, random groups on every seed."""
    keys = [key for key in ("DCI", "modularity", "MIG", "ablation") if runs[f"{key} z"].notna().all()]
    ends = {key: (runs[f"{key} z"].min(), runs[f"{key} z"].max()) for key in keys}
    above = [f"{key} ({low:.0f} to {high:.0f})" for key, (low, high) in ends.items() if low > 3]
    below = [f"{key} ({low:.0f} to {high:.0f})" for key, (low, high) in ends.items() if high < -3]
    text = f"{title} above {', '.join(above) or 'none'}, below {', '.join(below) or 'none'}"
    return text.replace("-", "−")


def listed(values: "pd.Series[float]") -> str:
    return ", ".join(f"{value:.0f}" for value in values)


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


def whole_runs() -> list[tuple[str, ...]]:
    """The presets' whole length, by set and method, from benchmarks/results/default-three-seeds.md."""
    page = RESULTS / "default-three-seeds.md"
    machine = re.search(r"of a shared (.*?) \(.*?(\d+ threads)", page.read_text())
    assert machine is not None
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_table(page, "set"):
        if "method" in row and SETS[row["set"]] == "CIFAR-10":
            rows.setdefault((row["set"], row["method"]), []).append(row)
    return [
        (
            EARLIER.get(method, METHODS[method]),
            f"{SETS[images]}, {seeds(group)}",
            f"{steps(PRESETS[images]):,}",
            *(mean([float(row[key]) for row in group]) for key in ("trained", "k-NN", "at initialisation")),
            ", ".join(machine.groups()),
            span([n for row in group for n in numbers(row["minutes of pretraining"])[:1]]),
            f"{PRESETS[images]} (earlier)",
        )
        for (images, method), group in rows.items()
    ]


def over_seeds(images: str, view: str) -> tuple[str, ...]:
    """The default over the seeds of the study of a set; view: "" for the encoder, ", twin" for the twin.
    Steps and device are those of the committed run, and so are the minutes of scenes."""
    study = pd.read_csv(RESULTS / f"studies/{STUDIES[images]}.csv")
    rows = study[study["setting"] == "default"]
    run = metrics("twin" if view else "pretrain")
    scores = [list(rows[key]) for key in (f"linear{view}", f"k-NN{view}", "at initialisation")]
    return (
        METHODS[run["sparsity"]["method"]] + (TWIN if view else ""),
        f"{images}, {len(rows)} seeds",
        f"{steps('default'):,}",
        *map(mean, scores),
        device(run["device"]),
        f"{run['minutes']:.1f}" if images == "scenes" else "–",
        "default" if images == "scenes" else "cifar10-folder",
    )


def steps(preset: str) -> int:
    changes = yaml.safe_load((ROOT / f"presets/{preset}.yaml").read_text()) or {}
    default = yaml.safe_load((ROOT / "params.yaml").read_text())
    return changes.get("pretrain.steps", default["pretrain"]["steps"])


def less_twin(runs: pd.DataFrame, setting: str) -> str:
    """The linear probe of a study's setting less the twin's, in points, seed by seed."""
    rows = runs[runs["setting"] == setting]
    return ", ".join(signed(value) for value in rows["linear"] - rows["linear, twin"])


def device(text: str) -> str:
    return text.removeprefix("cpu: ").replace("1 threads", "1 thread")


def seeds(rows: list[Any]) -> str:
    return f"seed {rows[0]['seed']}" if len(rows) == 1 else f"{len(rows)} seeds"


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


def numbers(text: str) -> list[float]:
    return [float(n.replace("−", "-")) for n in re.findall(r"[−-]?\d+(?:\.\d+)?", text)]


def read_table(page: Path, first: str) -> list[dict[str, str]]:
    """Rows of the page's tables whose first column is called `first`, as dictionaries."""
    rows: list[dict[str, str]] = []
    header: list[str] = []
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            header = []
        elif not header:
            header = cells
        elif header[0] == first and not set(line) <= set("|-: "):
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


def markdown_table(header: tuple[str, ...], rows: list[tuple[str, ...]], left: tuple[int, ...]) -> str:
    rule = ["---" if column in left else "--:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text()))
