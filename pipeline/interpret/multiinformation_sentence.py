"""The multiinformation of a trained model in a few sentences: what holds by theorem, and what was measured.

By theorem (docs/theory.md): TC(G) <= TC(Z) for every partition of any features, and energies of the groups
have no more. Measured: how much of it is between this run's groups, beside random groups, the dense twin and
other runs.
"""

from collections.abc import Mapping

from pipeline.measure.metrics import Metrics

FAR = 2.0  # standard deviations of the null beyond which a difference is called one


def multiinformation_sentence(run: Metrics, twin: Metrics | None, others: Mapping[str, Metrics]) -> str:
    """run: the numbers of the run's own code; twin: those of its dense twin in the same groups, None without
    one; others: of compared runs, each with `lambda`."""
    if "tc_total" not in run:
        return f"The total correlation was not estimated: {run.get('tc_not_estimated', 'no features')}."
    between = run["tc_between"]
    sentences = [
        "By theorem no grouping raises the total correlation, however the groups were made.",
        f"Here it is {_decimals(between)} nats between groups, TC(G), "
        f"and {_decimals(run['tc_total'])} nats in all, TC(Z).",
        _beside_random_groups(run),
    ]
    energies = run.get("tc_energies")
    if energies is not None:
        sentences.append(f"The groups' energies keep {_decimals(energies)} nats of it.")
        if energies > between:
            sentences.append("That is more than TC(G), whose estimate is a lower bound.")
    if twin is not None:
        sentences += _beside_twin(run, twin)
    sentences += [_beside_run(run, name, other) for name, other in others.items() if "tc_total" in other]
    if twin is None and not others:
        sentences.append("No run with another lambda stands beside it (interpret.compare).")
    return " ".join(sentences)


def _beside_random_groups(run: Metrics) -> str:
    z = run["tc_null_z"]
    mean, low, high = (_decimals(run[f"tc_between_null_{key}"]) for key in ("mean", "low", "high"))
    amount = "as much" if abs(z) <= FAR else "more" if z < 0 else "less"
    null = f"{mean} nats ({low} to {high}), z = {_decimals(z, '+.1f')}"
    return f"Random groups of the same sizes leave {amount} between them: {null}."


def _beside_twin(run: Metrics, twin: Metrics) -> list[str]:
    if "tc_total" not in twin:
        reason = twin.get("tc_not_estimated", "no features")
        return [f"The total correlation of its dense twin was not estimated: {reason}."]
    return [
        f"Its dense twin, trained without sparsity, has {_decimals(twin['tc_between'])} nats "
        f"between the same groups and {_decimals(twin['tc_total'])} nats in all.",
        f"Between groups this run has {_change(run, twin, 'tc_between', 'tc_between')}.",
        f"In all it has {_change(run, twin, 'tc_total', 'tc')}.",
    ]


def _change(run: Metrics, twin: Metrics, key: str, interval: str) -> str:
    """How much more or less of the number `key` the run has, and whether the intervals overlap."""
    change = run[key] - twin[key]
    amount = _decimals(abs(change))
    if not float(amount):
        return "as much"
    intervals = "intervals apart" if _apart(run, twin, interval) else "overlapping intervals"
    return f"{amount} nats {'more' if change > 0 else 'less'}, with {intervals}"


def _beside_run(run: Metrics, name: str, other: Metrics) -> str:
    change = run["tc_total"] - other["tc_total"]
    overlap = "" if _apart(run, other, "tc") else ", with overlapping intervals"
    return (
        f"{name} (lambda {other['lambda']:g}) has TC(Z) = {_decimals(other['tc_total'])} nats; "
        f"this run has {_decimals(abs(change))} {'more' if change > 0 else 'less'}{overlap}."
    )


def _apart(run: Metrics, other: Metrics, interval: str) -> bool:
    low, high = f"{interval}_ci95_low", f"{interval}_ci95_high"
    return run[low] > other[high] or run[high] < other[low]


def _decimals(value: float, form: str = ".2f") -> str:
    """The number with a proper minus sign; zero has none."""
    text = format(value, form)
    return text.replace("-", "−" if float(text) else "")
