"""reports/metrics/probe.json: every probe's scores, and their means over labels; and the tables probe.csv
and probe_confusion.csv, which counts the answers of the linear probe by true and by predicted class."""

from pathlib import Path

from pydantic import ConfigDict, Field, model_validator

from pipeline.contracts.record import Number, Record, check_same_sets, read_record, write_record

STAGE = "probe"
TABLE = (
    *("set", "label", "kind", "view", "accuracy", "r2"),
    *("ci95_low", "ci95_high", "r2_ci95_low", "r2_ci95_high"),
)  # first columns of probe.csv; other scores follow in the order in which they come up
CONFUSION = ("set", "label", "view", "true", "predicted", "images")  # probe_confusion.csv: pairs that come up


class Scores(Record):
    """The probes of one label on one view, scored on the test images.

    Accuracies are shares, 0 to 1; R^2 is at most 1. Further keys are numbers: accuracy_1pct, r2_1pct and the
    like are of probes that saw that share of the labels, means over draws; _sd is the deviation over draws.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)  # pyright: ignore

    accuracy: Number = Field(None, description="of the linear probe")
    r2: Number = Field(None, description="of ridge regression on the quantity")
    ci95_low: Number = Field(None, description="95 % interval of accuracy, or of r2 of a real label")
    ci95_high: Number = Field(None, description="its upper end")
    r2_ci95_low: Number = Field(None, description="95 % interval of r2, where there is an accuracy too")
    r2_ci95_high: Number = Field(None, description="its upper end")
    validation_accuracy: Number = Field(
        None, description="on the validation part of the training images: what settings are to be chosen by"
    )
    l2: Number = Field(None, description="chosen strength of the penalty")
    r2_l2: Number = Field(None, description="chosen strength of ridge regression, of a count")
    converged: bool | None = Field(None, description="whether the fit ended at a small gradient")
    iterations: int | None = Field(None, description="of the fit")
    n_train: int | None = Field(None, description="labelled training images or patches")
    n_test: int | None = Field(None, description="labelled test images or patches")
    less_twin: Number = Field(None, description="accuracy, or r2 of a real label, less that of the twin")
    less_twin_ci95_low: Number = Field(None, description="95 % interval of the paired difference")
    less_twin_ci95_high: Number = Field(None, description="its upper end")
    knn_accuracy: Number = Field(None, description="of k-NN")
    knn_neighbors: int | None = Field(None, description="chosen k")
    sgd_accuracy: Number = Field(None, description="of the linear probe by SGD")
    sgd_learning_rate: Number = Field(None, description="chosen learning rate of SGD")
    learning_rate: Number = Field(None, description="chosen learning rate of fine-tuning")


Labels = dict[str, dict[str, Scores]]  # label -> view


class Difference(Record):
    """The encoder less its dense twin, or less a baseline, on the same test images, as a share: .012 is 1.2
    points.

    The interval is the bootstrap's over these images, drawn in pairs. It does not cover other seeds.
    """

    mean: Number = Field(description="of the difference over labels")
    ci95_low: Number = Field(description="95 % interval of the mean")
    ci95_high: Number = Field(description="its upper end")
    n_test: int = Field(description="test images that were answered; fewer where they are corrupted")


class Summary(Record):
    """Means over the labels of a set that have classes, by view; shares, 0 to 1.

    Further keys are such means: mean_accuracy_1pct and the like.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Number]] = Field(init=False)  # pyright: ignore

    mean_accuracy: dict[str, Number] = Field(description="of linear probes")
    mean_knn_accuracy: dict[str, Number] = Field(description="of k-NN")
    mean_validation_accuracy: dict[str, Number] | None = Field(
        None, description="of linear probes on the validation part, by which settings are to be chosen"
    )
    mean_sgd_accuracy: dict[str, Number] | None = Field(None, description="of linear probes by SGD")
    gain_over_random_init: Number = Field(description="of mean_accuracy, points; null without such a label")
    less_twin: dict[str, Difference] | None = Field(
        None, description="kind of accuracy (accuracy, knn_accuracy, ...) -> encoder less dense twin"
    )
    less_baselines: dict[str, dict[str, Difference]] = Field(
        description="random_init, pixels_pca -> kind of accuracy -> encoder less this view"
    )
    labels: int = Field(description="labels in the means")
    labels_clear_of_random_init: int = Field(
        description="labels whose interval lies above that at initialisation"
    )
    not_converged: int = Field(description="fits that ended before their gradient was small")
    rankme: dict[str, Number] = Field(description="directions that each view uses, on the test images")
    seconds: dict[str, Number] = Field(description="spent on each view")

    @property
    def means(self) -> dict[str, dict[str, float | None]]:
        """Kind of accuracy -> view -> mean, for all kinds: accuracy, knn_accuracy, accuracy_1pct, ..."""
        fields = {
            "accuracy": self.mean_accuracy,
            "knn_accuracy": self.mean_knn_accuracy,
            "sgd_accuracy": self.mean_sgd_accuracy,
        }
        few = {key.removeprefix("mean_"): means for key, means in self.further.items()}
        return {kind: means for kind, means in (fields | few).items() if means}


class Probe(Record):
    """The whole file: `summary`, and every set by its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Labels] = Field(init=False)  # pyright: ignore

    summary: dict[str, Summary] = Field(description="set -> means")

    @model_validator(mode="after")
    def _summary_of_its_sets(self) -> "Probe":
        check_same_sets(self.summary, self.sets)
        return self

    @property
    def sets(self) -> dict[str, Labels]:
        """Set -> label -> view -> scores."""
        return self.further


def read(path: Path) -> Probe:
    """Raises InputError where the file is missing, broken or of another shape."""
    return read_record(path, Probe, STAGE)


def write(path: Path, content: Probe) -> None:
    """Write the file whole."""
    write_record(path, content, ("probe", "probe_confusion"))
