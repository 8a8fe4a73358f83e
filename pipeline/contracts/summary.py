"""reports/metrics/summary.json: the few numbers that `dvc exp show` and `dvc metrics diff` list.

They are of the set of pretraining. The other metrics files have every number.
"""

from pathlib import Path

from pydantic import Field

from pipeline.contracts.record import Number, Record
from pipeline.files import write_json


class RunSummary(Record):
    """The whole file; units stand in the names. A number that a run does not have is null."""

    accuracy_percent: Number = Field(description="of linear probes, mean over labels")
    validation_accuracy_percent: Number = Field(
        description="the same on the validation part of the training images; choose settings by it"
    )
    less_twin_points: Number = Field(description="accuracy less that of the dense twin")
    less_twin_ci95_low_points: Number = Field(description="95 % interval of it, over test images")
    less_twin_ci95_high_points: Number = Field(description="its upper end")
    less_random_init_points: Number = Field(description="accuracy less that at initialisation")
    knn_accuracy_percent: Number = Field(description="of k-NN, mean over labels")
    rankme_directions: Number = Field(description="directions that the features use")
    zeros_percent: Number = Field(description="columns of W that are zero, see docs/sparsity.md")
    live_latents: Number = Field(description="latents that carry variance")
    groups_share_nats: Number = Field(description="TC(G): total correlation of the groups")
    dci_z: Number = Field(description="disentanglement, in standard deviations above random groups")
    pretrain_minutes: Number = Field(description="time of training alone")


def write(path: Path, content: RunSummary) -> None:
    """Write the file whole."""
    write_json(path, content.content())  # without a digest, which DVC would list
