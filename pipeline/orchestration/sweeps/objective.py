"""What `--objective` can be: the numbers of reports/metrics/summary.json, each with its better direction.

A search reads its objective again and again, so the best value of test images would flatter the winner. Where
a number has a counterpart on validation images, the search reads that. Of linear probes they are the part of
the training images that chooses the strength of a probe (probe.validation_fraction); of k-NN those that
pretraining leaves out for its monitors.
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.contracts.summary import RunSummary
from pipeline.files import InputError
from pipeline.orchestration.sweeps.results import Measured
from pipeline.report.summary import summarise
from pipeline.views import ENCODER, RANDOM_INIT, TWIN

LOWER_IS_BETTER = ("groups_share_nats", "pretrain_minutes")
FROM_PRETRAINING = ("rankme_directions", "zeros_percent", "live_latents", "pretrain_minutes")
IN_VALIDATION = {
    "accuracy_percent": "linear probes",
    "validation_accuracy_percent": "linear probes",
    "knn_accuracy_percent": "the monitor's k-NN",
    "less_twin_points": "linear probes, less those of the dense twin,",
    "less_random_init_points": "linear probes, less those at initialisation,",
}
BASELINE = {"less_twin_points": TWIN, "less_random_init_points": RANDOM_INIT}


@dataclass(frozen=True)
class Objective:
    """A number of a run, and which direction is better."""

    name: str

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """As Optuna says it."""
        return "minimize" if self.name in LOWER_IS_BETTER else "maximize"

    @property
    def meaning(self) -> str:
        """What is searched for, and on which images."""
        better = "lowest" if self.direction == "minimize" else "highest"
        if self.name in IN_VALIDATION:
            return f"{better} {self.name}, of {IN_VALIDATION[self.name]} on validation images"
        if self.name in FROM_PRETRAINING:
            return f"{better} {self.name}, which reads no test image"
        return (
            f"{better} {self.name}, which is known of test images alone: the best of many is too good, "
            "so measure the winner on other seeds"
        )

    def value(self, run: Measured) -> float | None:
        """The number, in the unit of its name; None where the run does not have it."""
        pretrain = run.pretrain
        name, probes = next(iter(run.probe.summary.items()))
        if self.name == "knn_accuracy_percent":
            return _hundred(pretrain.final.knn_accuracy)
        if self.name in IN_VALIDATION:
            means = probes.mean_validation_accuracy or {}
            mine, other = means.get(ENCODER), means.get(BASELINE.get(self.name, ""))
            if self.name in BASELINE:
                return None if mine is None or other is None else 100 * (mine - other)
            return _hundred(mine)
        if self.name in FROM_PRETRAINING:
            shares = {
                "rankme_directions": pretrain.final.rankme,
                "zeros_percent": _hundred(pretrain.zero_share),
            }
            others = {"live_latents": pretrain.sparsity.live_latents, "pretrain_minutes": pretrain.minutes}
            return (shares | others)[self.name]
        if run.interpret is None:
            return None
        return getattr(summarise(pretrain, probes, run.interpret.summary[name]), self.name)


def objective(name: str) -> Objective:
    """Raises InputError where summary.json has no such number."""
    if name not in RunSummary.model_fields:
        raise InputError(
            f"--objective {name}: no such number; there are {', '.join(RunSummary.model_fields)}"
        )
    return Objective(name)


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share
