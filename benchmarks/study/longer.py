"""Longer training, dense and sparse: the tables of docs/baselines.md and what its verdicts rest on."""

import pandas as pd
from scipy import stats

from benchmarks.common import STUDIES
from benchmarks.study.baselines import by_seed, interval, of
from benchmarks.study.numbers import TITLES, holm, p_text
from benchmarks.study.plan import (
    FRESH,
    LONG_DENSE,
    LONG_GROUPS,
    LONG_HEAVIER,
    LONG_SPARSEJEPA,
    LONGEST,
    LONGEST_WEAKER,
    SLOW_GROUPS,
    SLOW_SPARSEJEPA,
    STRETCHED_DENSE,
    STRETCHED_GROUPS,
    STRETCHED_LIGHT,
    STRETCHED_SPARSEJEPA,
)
from benchmarks.study.tuning import Difference, difference

FORMS = {  # suffix of a joined setting of SparseJEPA -> what it is
    "": "SparseJEPA",
    "-groups-only": "groups alone",
    "-pairwise": "groups alone, of one feature each",
    "-oivae-only": "oi-VAE beside VICReg",
    "-0.97": "SparseJEPA, momentum falling to .97",
    "-late": "SparseJEPA, `sparsity.weight_warmup=1`",
    "-module0.1": "SparseJEPA, `sparsity.weight=0.1`",
    "-module0.3": "SparseJEPA, `sparsity.weight=0.3`",
    "-lambda0": "SparseJEPA, lambda 0",
    "-lambda0.02": "SparseJEPA, lambda .02",
    "-lambda0.1": "SparseJEPA, lambda .1",
    "-blocks": "SparseJEPA in blocks, lambda 0",
    "-blocks-lambda0.04": "SparseJEPA in blocks",
    "-lambda0-module0.3": "SparseJEPA, lambda 0, `sparsity.weight=0.3`",
    "-module0.3-regularizer0.03": "SparseJEPA, `sparsity.weight=0.3`, `regularizer.weight=0.03`",
    "-lambda0-module0.3-regularizer0.03": "the same, lambda 0",
    "-regularizer0.03": "SparseJEPA, `regularizer.weight=0.03`",
    "-groups-only-regularizer0.03": "groups alone, `regularizer.weight=0.03`",
    "-groups-only-groups64": "groups alone, `sparsity.groups=64`",
}
LENGTHS = {  # what a row says of its training -> dense and SparseJEPA
    "2,400 steps, `joined3`": ("dense-joined3-steps2400", "joined3-steps2400"),
    "4,120 steps, `joined3`": ("dense-joined3", "joined3"),
    "9,600 steps, `joined3`": (LONG_DENSE, LONG_SPARSEJEPA),
    "9,600 steps, `joined3`, a slower target": (STRETCHED_DENSE, STRETCHED_SPARSEJEPA),
    "57,600 steps, `joined3`, a slower target": LONGEST,
    "9,600 steps, the default's settings": ("twin-steps9600", "steps9600"),
    "9,600 steps, a slower target": (f"twin-{SLOW_SPARSEJEPA}", SLOW_SPARSEJEPA),
}
BOTH, THREE = ("linear", "knn"), FRESH[:3]
NO_ZEROS, WEAKER = f"{STRETCHED_SPARSEJEPA}-lambda0", f"{STRETCHED_SPARSEJEPA}-lambda0-module0.3"
WEAKER_WITH_ZEROS = f"{STRETCHED_SPARSEJEPA}-module0.3"
WHAT_ZEROS_DO = {  # setting of CIFAR-100 at 9,600 steps -> its module
    STRETCHED_SPARSEJEPA: "learned zeros (lambda .04)",
    NO_ZEROS: "no zeros (lambda 0)",
    WEAKER: "no zeros, weight .3",
    WEAKER_WITH_ZEROS: "learned zeros, weight .3",
    f"{STRETCHED_SPARSEJEPA}-blocks": "given zeros, lambda 0",
    f"{STRETCHED_SPARSEJEPA}-blocks-lambda0.04": "given zeros, lambda .04",
}
LIGHT_TITLE = "SparseJEPA, module of .3, groups of .03"
STRETCHED_FORMS = {  # what ran on three fresh seeds of CIFAR-100 or more at 9,600 steps, but for controls
    "SparseJEPA": STRETCHED_SPARSEJEPA,
    "groups alone": STRETCHED_GROUPS,
    "SparseJEPA, module of weight .3": WEAKER_WITH_ZEROS,
    LIGHT_TITLE: STRETCHED_LIGHT,
}
BEST_LONG = {  # what validation images of seed 20 chose at 9,600 steps, and the dense baseline beside it
    "cifar100": (STRETCHED_LIGHT, STRETCHED_DENSE),
    "scenes": (SLOW_GROUPS, LONG_DENSE),
}
SLOW_OTHERS = {  # title -> what groups alone with the slower target are held against
    "dense, fast target": LONG_DENSE,
    "the same, `regularizer.weight=0.1`": LONG_HEAVIER,
    "dense, slow target, `regularizer.weight=0.1`": f"twin-{SLOW_SPARSEJEPA}",
    "groups alone, fast target": LONG_GROUPS,
    "SparseJEPA, slow target": SLOW_SPARSEJEPA,
}
SCORES = {"all labels": "linear", "k-NN": "knn", "1 %": "one_percent"} | {
    label: f"linear, {label}" for label in ("light", "orientation", "count")
}
LONGEST_SCORES = {
    "linear probe": "linear",
    "k-NN": "knn",
    "1 % of the labels": "one_percent",
    "60 % wrong labels": "noise60",
    "CLEVR-like scenes: count": "clevr_like, count_all",
    "CLEVR-like scenes: distance": "clevr_like, closest_object_distance",
    "TC(G), nats": "TC(G), nats",
    "DCI, z": "DCI z",
    "modularity, z": "modularity z",
}
DENSE_FORMS = {"": "dense"} | {
    f"-weight{weight}": f"dense, `regularizer.weight={weight}`" for weight in ("0.1", "0.01")
}
LONGEST_HISTORY = "history-cifar100-steps57600-20.csv"  # monitored scores
LEARNED = 60.0  # by docs/study-changes.md


def long_table() -> list[str]:
    """The joined settings at both lengths: dense, and each form of SparseJEPA that was tried."""
    lines = [
        "| training | what | seeds | validation | linear | k-NN | 1 % | linear, less dense |",
        "|---|---|" + "--:|" * 6,
    ]
    for dataset in ("scenes", "cifar100"):
        for training, (dense_name, sparse) in LENGTHS.items():
            dense = of(dataset, dense_name)
            titles = {f"{dense_name}{end}": form for end, form in DENSE_FORMS.items()}
            titles |= {f"{sparse}{end}": form for end, form in FORMS.items()}
            for setting, title in titles.items():
                rows = of(dataset, setting)
                if rows.empty:
                    continue
                cells = [f"{TITLES[dataset]}, {training}", title, str(len(rows))]
                cells += [
                    f"{rows[score].mean():.1f}" for score in ("validation", "linear", "knn", "one_percent")
                ]
                less = difference(rows, dense, "linear")
                cells.append("" if title == "dense" or not less.seeds else interval(less))
                lines.append(f"| {' | '.join(cells)} |")
    return lines


def longest_table() -> list[str]:
    """The long run of CIFAR-100: a line a score, with dense and SparseJEPA, here and at 9,600 steps."""
    lengths = ((*LONGEST, LONGEST_WEAKER), (STRETCHED_DENSE, STRETCHED_SPARSEJEPA))
    heads = ["dense", *["SparseJEPA", "less dense"], *["weight .3", "less dense"]]
    heads += ["in 9,600 steps: dense", "SparseJEPA", "less dense"]
    lines = [f"| seed 20 | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for title, column in LONGEST_SCORES.items():
        cells = [title]
        for settings in lengths:
            dense, *others = (of("cifar100", name).set_index("seed").loc[20, column] for name in settings)
            cells.append(f"{dense:.1f}")
            cells += [cell for other in others for cell in (f"{other:.1f}", f"{other - dense:+.1f}")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def longest_less(column: str, setting: str = LONGEST[1]) -> float:
    """SparseJEPA, or another setting, less dense in the long run, in points."""
    return difference(of("cifar100", setting), of("cifar100", LONGEST[0]), column).mean


def longest_end(column: str) -> tuple[float, float, float]:
    """The last monitored score of the long run: dense, SparseJEPA, and it with a weaker module."""
    last = pd.read_csv(STUDIES / LONGEST_HISTORY).groupby("setting")[column].last()
    dense, sparse, weaker = (float(last[setting]) for setting in (*LONGEST, LONGEST_WEAKER))
    return dense, sparse, weaker


def gains_by_length(setting: str, shorter: str) -> str:
    """On seed 20 of CIFAR-100, points by the linear probe of the long run over 9,600 steps."""
    longer, before = (of("cifar100", name).set_index("seed").loc[20, "linear"] for name in (setting, shorter))
    return f"{longer - before:+.1f}"


def long_less(
    dataset: str, column: str = "linear", baseline: str = LONG_DENSE, groups: str = LONG_GROUPS
) -> Difference:
    """Groups alone, or another form, less a dense baseline, both at 9,600 steps. Of fresh seeds: the others
    chose the forms."""
    rows = of(dataset, groups)
    return difference(rows[rows["seed"].isin(FRESH)], of(dataset, baseline), column)


def long_p(baseline: str) -> float:
    """p of the paired t test that groups alone with the slower target read scenes better than a dense
    baseline, corrected by Holm's method for the two forms of groups alone that ran on the fresh seeds."""
    dense = of("scenes", baseline).set_index("seed")["linear"].loc[list(FRESH)]
    groups = (of("scenes", name).set_index("seed")["linear"] for name in (SLOW_GROUPS, LONG_GROUPS))
    return holm([float(stats.ttest_rel(rows.loc[list(FRESH)], dense).pvalue) for rows in groups])[0]


def stretched_p() -> dict[str, float]:
    """For each of STRETCHED_FORMS, p of the paired t test that it reads CIFAR-100 otherwise than dense does,
    of fresh seeds, corrected by Holm's method for their number."""
    dense = of("cifar100", STRETCHED_DENSE).set_index("seed")["linear"]
    pairs = [(of("cifar100", form).set_index("seed")["linear"] - dense) for form in STRETCHED_FORMS.values()]
    p_values = [stats.ttest_1samp(less[less.index.isin(FRESH)].dropna(), 0).pvalue for less in pairs]
    return dict(zip(STRETCHED_FORMS, holm([float(p) for p in p_values]), strict=True))


def stretched_table() -> list[str]:
    """CIFAR-100 at 9,600 steps, fresh seeds: STRETCHED_FORMS less dense, by linear probe, k-NN and 1 %."""
    scores = {"linear": "linear", "k-NN": "knn", "1 %": "one_percent"}
    heads = [f"{title}, less dense" for title in scores]
    heads.insert(1, "p (Holm)")
    lines = [f"| form | seed by seed | {' | '.join(heads)} |", "|---|---|" + "--:|" * len(heads)]
    by_form, corrected = {"dense": STRETCHED_DENSE} | STRETCHED_FORMS, stretched_p()
    for title, form in by_form.items():
        cells = [title, by_seed(form, "linear", dataset="cifar100")]
        if form == STRETCHED_DENSE:
            cells += [""] * len(heads)
        else:
            less = [
                interval(long_less("cifar100", column, STRETCHED_DENSE, form)) for column in scores.values()
            ]
            cells += [less[0], p_text(corrected[title]), *less[1:]]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def zeros_add_at_length(column: str, dataset: str = "cifar100") -> Difference:
    """At 9,600 steps with a slower target, SparseJEPA less the same with lambda 0. Of fresh seeds."""
    sparse = {"cifar100": STRETCHED_SPARSEJEPA, "scenes": SLOW_SPARSEJEPA}[dataset]
    return long_less(dataset, column, f"{sparse}-lambda0", sparse)


def what_zeros_do() -> list[str]:
    """CIFAR-100 at 9,600 steps, fresh seeds: SparseJEPA and its controls, less lambda 0 and less dense."""
    less_what = [f"{score}, less {other}" for other in ("lambda 0", "dense") for score in ("linear", "k-NN")]
    lines = [f"| module | zeros | linear, by seed | {' | '.join(less_what)} |", "|---|--:|---|" + "--:|" * 4]
    for form, title in WHAT_ZEROS_DO.items():
        rows = of("cifar100", form)
        rows = rows[rows["seed"].isin(THREE)]
        if rows.empty:
            continue
        scores = by_seed(form, "linear", seeds=THREE, dataset="cifar100")
        less = (
            ["", ""]
            if form == NO_ZEROS
            else [interval(long_less("cifar100", score, NO_ZEROS, form)) for score in BOTH]
        )
        less += [interval(difference(rows, of("cifar100", STRETCHED_DENSE), score)) for score in BOTH]
        zeros = f"{100 * rows['zero_share'].mean():.0f} %"
        lines.append(f"| {' | '.join([title, zeros, scores, *less])} |")
    return lines


def best_long_less(dataset: str) -> Difference:
    """`long_less` of BEST_LONG."""
    form, dense = BEST_LONG[dataset]
    return long_less(dataset, "linear", dense, form)


def slow_table() -> list[str]:
    """Scenes, fresh seeds: groups alone with the slower target less SLOW_OTHERS, for SCORES."""
    lines = [f"| less | seeds | {' | '.join(SCORES)} |", "|---|--:|" + "--:|" * len(SCORES)]
    for title, other in SLOW_OTHERS.items():
        less = [long_less("scenes", column, other, SLOW_GROUPS) for column in SCORES.values()]
        lines.append(f"| {title} | {less[0].seeds} | {' | '.join(map(interval, less))} |")
    return lines


def module_adds(sparse: str) -> Difference:
    """On scenes, points that the module adds to groups alone. sparse: a setting; default, or a joined one."""
    groups = "groups-only" if sparse == "default" else f"{sparse}-groups-only"
    return difference(of("scenes", sparse), of("scenes", groups), "linear")


def slow_less(column: str) -> Difference:
    """On scenes, SparseJEPA with a slower target for four times the steps, less the default."""
    return difference(of("scenes", SLOW_SPARSEJEPA), of("scenes", "default"), column)


def slow_less_dense(column: str) -> Difference:
    """On scenes, the same less the dense baseline with its faster target, of the seeds that both have."""
    return difference(of("scenes", SLOW_SPARSEJEPA), of("scenes", LONG_DENSE), column)


def learned(setting: str, label: str) -> str:
    """On how many fresh seeds of scenes a probe tells a label at LEARNED percent or more, in words."""
    rows = of("scenes", setting)
    scores = rows.loc[rows["seed"].isin(FRESH), f"linear, {label}"]
    return f"{(scores >= LEARNED).sum()} of {len(scores)}"
