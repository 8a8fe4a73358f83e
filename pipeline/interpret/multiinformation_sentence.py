"""The multiinformation of a trained model in a few sentences: what holds by theorem, and what was measured.

By theorem (docs/theory.md): TC(G) <= TC(Z) for every partition of any features, and energies of the groups
have no more. Measured: how much of it is between this run's groups, beside random groups and other runs.
"""

from collections.abc import Mapping

from pipeline.measure.metrics import Metrics

FAR = 2.0  # standard deviations of the null beyond which a difference is called one


def multiinformation_sentence(run: Metrics, others: Mapping[str, Metrics]) -> str:
    """run: the numbers of the run's own code; others: of compared runs, each with `lambda`."""
    if "tc_total" not in run:
        return f"The total correlation was not estimated: {run.get('tc_not_estimated', 'no features')}."
    total, between, z = run["tc_total"], run["tc_between"], run["tc_null_z"]
    sentences = [
        "By theorem no grouping raises the total correlation, however the groups were made.",
        f"Here it is {between:.2f} nats between groups, TC(G), and {total:.2f} nats in all, TC(Z).",
    ]
    low, high = run["tc_between_null_low"], run["tc_between_null_high"]
    null = f"{run['tc_between_null_mean']:.2f} nats ({low:.2f} to {high:.2f}), z = {z:+.1f}"
    amount = "as much" if abs(z) <= FAR else "more" if z < 0 else "less"
    sentences.append(f"Random groups of the same sizes leave {amount} between them: {null}.")
    energies = run.get("tc_energies")
    if energies is not None:
        sentences.append(f"The groups' energies keep {energies:.2f} nats of it.")
        if energies > between:
            sentences.append("That is more than TC(G), whose estimate is a lower bound.")
    for name, other in others.items():
        if "tc_total" in other:
            change = total - other["tc_total"]
            apart = run["tc_ci95_low"] > other["tc_ci95_high"] or run["tc_ci95_high"] < other["tc_ci95_low"]
            sentences.append(
                f"{name} (lambda {other['lambda']:g}) has TC(Z) = {other['tc_total']:.2f} nats; "
                f"this run has {abs(change):.2f} {'more' if change > 0 else 'less'}"
                f"{'' if apart else ', with overlapping intervals'}."
            )
    if not others:
        sentences.append("No run with another lambda stands beside it (interpret.compare).")
    return " ".join(sentences)
