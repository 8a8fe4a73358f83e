"""reports/metrics/interpret.json: what groups of features stand for; and the tables interpret_*.csv.

A number `x` of a grouped code has its null from random partitions of the same features in the same sizes:
x_null_mean, x_null_low and x_null_high (2.5 % and 97.5 %), and x_null_z, how many standard deviations of the
null x lies above its mean. Information is in nats; all other scores are shares or R^2 unless they say so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from pipeline.contracts.record import Number, Record, check_same_sets, read_record, write_record

STAGE = "interpret"
TABLES = {  # interpret_<name>.csv -> its columns; correlation has further ones, with_<feature> in percent
    "groups": ("set", "code", "factor", "group", "skill", "ablation_drop"),
    "top": ("set", "group", "kind", "rank", "image", "energy", "dead"),
    "patches": ("set", "code", "image", "patch", "group", "best", "energy", "foreground", "object"),
    "correlation": ("set", "code", "group"),
    "clusters": ("set", "code", "image", "patch", "cluster"),
    "active": ("set", "code", "units", "accuracy", "nearest"),
    "map": ("set", "code", "method", "image", "x", "y"),  # method: pca, umap
    "neighbors": ("set", "code", "image", "rank", "neighbor", "cosine"),
    "tokens": ("set", "code", "image", "patch", "red", "green", "blue", "attention"),
}


def name_of_z(metric: str) -> str:
    """The key of a number's z."""
    return "tc_null_z" if metric == "tc_between" else f"{metric}_null_z"


class Scores(Record):
    """All numbers of one code: features in groups.

    Further keys are numbers too: nulls, total correlation under noise (tc_noise_<deviation>,
    tc_between_noise_<deviation>), and metrics that no field describes.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)  # pyright: ignore

    features: int = Field(description="features of an image")
    groups: int = Field(description="groups that they are in")

    tc_total: Number = Field(None, description="total correlation of all features, TC(Z), nats")
    tc_between: Number = Field(None, description="total correlation of the groups as wholes, TC(G), nats")
    tc_within: Number = Field(None, description="the rest: inside the groups, nats")
    tc_transform: str | None = Field(None, description="transform with the larger total: signed, folded")
    tc_total_signed: Number = Field(None, description="nats")
    tc_total_folded: Number = Field(None, description="nats")
    tc_null_z: Number = Field(None, description="of tc_between")
    tc_ci95_low: Number = Field(None, description="of tc_total, from halves of the images, nats")
    tc_ci95_high: Number = Field(None, description="its upper end, nats")
    tc_between_ci95_low: Number = Field(None, description="the same of tc_between, nats")
    tc_between_ci95_high: Number = Field(None, description="its upper end, nats")
    tc_dropped: int | None = Field(None, description="features left out because others determine them")
    tc_gates: Number = Field(None, description="of on/off patterns inside groups, nats")
    tc_energies: Number = Field(None, description="of the groups' energies, nats")
    tc_energies_knn: Number = Field(None, description="the same by nearest neighbours, nats")
    tc_not_estimated: str | None = Field(None, description="why the numbers above are absent")
    tc_energies_not_estimated: str | None = Field(None, description="why tc_energies is absent")

    hoyer: Number = Field(None, description="sparsity of an image's group energies; 0 to 1")
    gini: Number = Field(None, description="the same by Gini's coefficient; 0 to 1")
    active_groups: Number = Field(None, description="groups of an image above a tenth of the mean energy")
    dead_groups: int | None = Field(None, description="groups without a feature that varies")
    dead_features: int | None = Field(None, description="features that do not vary")
    zero_features: Number = Field(None, description="share of the features' values that are exactly 0")

    explicitness: Number = Field(None, description="R^2 from all features, mean over factors")
    consistency_groups: Number = Field(None, description="are a group's top images of one class? 0 to 1")
    consistency_features: Number = Field(None, description="the same of both ends of single features")
    modularity: Number = Field(None, description="does a group tell one factor? 0 to 1")
    mig: Number = Field(None, description="gap between the two best groups of a factor; 0 to 1")
    dci_disentanglement: Number = Field(None, description="does a group tell one factor? 0 to 1")
    dci_completeness: Number = Field(None, description="is a factor told by one group? 0 to 1")
    ablation_selectivity: Number = Field(None, description="does a group's loss hurt one factor? 0 to 1")
    ablation_drop: Number = Field(None, description="R^2 lost without the group that matters most")
    mig_features: Number = Field(None, description="mig of single features")
    dci_features_disentanglement: Number = Field(None, description="of single features")
    dci_features_completeness: Number = Field(None, description="of single features")
    feature_probe_1: Number = Field(None, description="R^2 from the best feature of each factor")
    feature_probe_2: Number = Field(None, description="R^2 from the two best features")
    feature_probe_5: Number = Field(None, description="R^2 from the five best features")
    group_probe_1: Number = Field(None, description="R^2 from the best group of each factor")
    group_probe_2: Number = Field(None, description="R^2 from the two best groups")
    group_probe_5: Number = Field(None, description="R^2 from the five best groups")
    feature_accuracy_1: Number = Field(None, description="classification by the best feature; 0 is chance")
    feature_accuracy_2: Number = Field(None, description="by the two best features")
    feature_accuracy_5: Number = Field(None, description="by the five best features")
    group_accuracy_1: Number = Field(None, description="classification by the best group; 0 is chance")
    group_accuracy_2: Number = Field(None, description="by the two best groups")
    group_accuracy_5: Number = Field(None, description="by the five best groups")

    @property
    def grouped(self) -> bool:
        """Whether some group has more than one feature."""
        return self.groups < self.features

    def value(self, key: str) -> float | None:
        """The number of that key; None where it is absent."""
        return self.further.get(key) if key in self.further else getattr(self, key, None)

    @property
    def undescribed(self) -> list[str]:
        """The metrics among further keys: neither nulls nor totals under noise."""
        return [key for key in self.further if "_null_" not in key and "_noise_" not in key]

    def z(self, metric: str) -> float | None:
        """How many standard deviations of its null a number lies above it; None where there is no null."""
        return self.value(name_of_z(metric))


class ComparedScores(Scores):
    """The numbers of another run's features in its groups."""

    lambda_: Number = Field(alias="lambda", description="its sparsity.lambda; 0 without a module")
    method: str = Field(description="its sparsity.method")
    stability: Number = Field(None, description="likeness of its groups to this run's; 1 where equal")


class ObjectScores(Record):
    """Groups of one code, and clusters of its tokens, against the masks of objects.

    Further keys are numbers: nulls and intervals.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number] = Field(init=False)  # pyright: ignore

    object_images: int = Field(description="images looked at")
    object_ari_images: int = Field(description="of them, images that show two objects or more")
    object_auroc: Number = Field(None, description="of the group that tells objects from background best")
    object_best_group: int | None = Field(None, description="that group")
    object_ari: Number = Field(None, description="strongest group of a patch against objects, adjusted Rand")
    cluster_ari: Number = Field(None, description="k-means clusters of tokens against objects, adjusted Rand")
    cluster_mbo: Number = Field(None, description="overlap of an object with its best cluster, mean; 0 to 1")
    cluster_ari_less_control: Number = Field(
        None, description="cluster_ari less that of colour and place, mean over the same images"
    )
    cluster_ari_less_control_ci95_low: Number = Field(None, description="its 95 % interval over images")
    cluster_ari_less_control_ci95_high: Number = Field(None, description="its upper end")
    object_auroc_not_estimated: str | None = Field(None, description="why it is absent")
    object_ari_not_estimated: str | None = Field(None, description="why it is absent")


class Objects(Record):
    """Code -> its scores; empty for a set without masks."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ObjectScores] = Field(init=False)  # pyright: ignore

    not_estimated: str | None = Field(None, description="why there is no code")

    @property
    def codes(self) -> dict[str, ObjectScores]:
        """The scores by code."""
        return self.further


class Images(Record):
    """How many images were read."""

    train: int = Field(description="of the training split")
    test: int = Field(description="of the test split")


class InterpretedSet(Record):
    """One set."""

    images: Images = Field(description="images read")
    factors: list[str] = Field(description="labels, or classes, that groups may stand for")
    left_out: dict[str, str] = Field(description="label that is no factor -> why")
    lambda_: Number = Field(alias="lambda", description="sparsity.lambda of this run; 0 without a module")
    codes: dict[str, Scores] = Field(
        description="code -> numbers; `encoder` is this run, `twin` its dense twin"
    )
    compare: dict[str, ComparedScores] = Field(description="run of interpret.compare -> numbers")
    objects: Objects = Field(description="groups against objects")
    sentence: str = Field(description="what holds by theorem and what was measured, in words")


class Headline(Record):
    """The numbers of this run's groups that stand in tables of many runs, as Scores describes them.

    A number that was not estimated is absent.
    """

    explicitness: Number = None
    group_probe_1: Number = None
    group_probe_1_null_z: Number = None
    mig: Number = None
    mig_null_z: Number = None
    modularity: Number = None
    modularity_null_z: Number = None
    dci_disentanglement: Number = None
    dci_disentanglement_null_z: Number = None
    dci_completeness: Number = None
    dci_completeness_null_z: Number = None
    ablation_selectivity: Number = None
    ablation_selectivity_null_z: Number = None
    tc_between: Number = None
    tc_null_z: Number = None


class Interpret(Record):
    """The whole file: `summary`, and every set by its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, InterpretedSet] = Field(init=False)  # pyright: ignore

    summary: dict[str, Headline] = Field(description="set -> headline of its code `encoder`")
    twin: dict[str, Headline] = Field(description="set -> headline of its code `twin`; empty without one")

    @model_validator(mode="after")
    def _summary_of_its_sets(self) -> "Interpret":
        check_same_sets(self.summary, self.sets)
        return self

    @property
    def sets(self) -> dict[str, InterpretedSet]:
        """The sets by name."""
        return self.further


def of_sets(sets: Mapping[str, Mapping[str, Any]]) -> Interpret:
    """The file's content from that of its sets: the headline of each is drawn from its code `encoder`."""
    codes = {name: content["codes"] for name, content in sets.items()}
    return Interpret.model_validate(
        {
            "summary": {name: headline(codes[name]["encoder"]) for name in sets},
            "twin": {name: headline(codes[name]["twin"]) for name in sets if "twin" in codes[name]},
            **sets,
        }
    )


def headline(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of Headline that `scores` has."""
    return {key: scores[key] for key in Headline.model_fields if key in scores}


def read(path: Path) -> Interpret:
    """Raises InputError where the file is missing, broken or of another shape."""
    return read_record(path, Interpret, STAGE)


def write(path: Path, content: Interpret) -> None:
    """Write the file whole."""
    write_record(path, content, [f"interpret_{name}" for name in TABLES])
