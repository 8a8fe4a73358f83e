"""The multiinformation of a trained model in one sentence: what holds by theorem, and what was measured.

By theorem (docs/theory.md): TC(G) <= TC(Z) for every partition of any features, and energies of the groups
have no more. Measured: how much of it is between this run's groups, beside random groups and other runs.
"""

from collections.abc import Mapping

from pipeline.measure.metrics import Metrics

FAR = 2.0  # standard deviations of the null beyond which a difference is called one


def multiinformation_sentence(run: Metrics, others: Mapping[str, Metrics]) -> str:
    """One sentence. run: the numbers of the run's own code; others: of compared runs, each with `lambda`."""
    if "tc_total" not in run:
        return f"The total correlation was not estimated: {run.get('tc_not_estimated', 'no features')}."
    total, between, z = run["tc_total"], run["tc_between"], run["tc_null_z"]
    text = (
        f"By theorem grouping never raises the total correlation, whatever the groups and however trained: "
        f"here TC(G) = {between:.2f} ≤ TC(Z) = {total:.2f} nats; "
    )
    low, high = run["tc_between_null_low"], run["tc_between_null_high"]
    null = f"{run['tc_between_null_mean']:.2f} nats ({low:.2f} to {high:.2f})"
    if abs(z) <= FAR:
        text += f"found: random groups of the same sizes leave the same between them, {null}, z = {z:+.1f}"
    else:
        text += (
            f"found: this run's groups leave {'less' if z < 0 else 'more'} between them than random groups "
            f"of the same sizes, {null}, z = {z:+.1f}"
        )
    energies = run.get("tc_energies")
    if energies is not None:
        holds = (
            "as data processing says"
            if energies <= between
            else ("more than the estimate of TC(G), which is a lower bound and cannot see all dependence")
        )
        text += f"; the groups' energies keep {energies:.2f}, {holds}"
    for name, other in others.items():
        if "tc_total" in other:
            change = total - other["tc_total"]
            apart = run["tc_ci95_low"] > other["tc_ci95_high"] or run["tc_ci95_high"] < other["tc_ci95_low"]
            text += (
                f"; {name} (lambda {other['lambda']:g}) has TC(Z) = {other['tc_total']:.2f}, "
                f"{abs(change):.2f} {'less' if change > 0 else 'more'}"
                f"{'' if apart else ', with overlapping intervals'}"
            )
    if not others:
        text += "; no run with another lambda was given (interpret.compare), so nothing is said of lambda"
    return text + "."
