"""The few numbers of a run that stand in tables of many runs."""

from pipeline.contracts.interpret import Headline
from pipeline.contracts.pretrain import Pretrain
from pipeline.contracts.probe import Difference, Summary
from pipeline.contracts.summary import RunSummary
from pipeline.views import ENCODER, RANDOM_INIT

DIGITS = 4


def summarise(run: Pretrain, probes: Summary, groups: Headline) -> RunSummary:
    """Of one run, on one set."""
    twin = (probes.less_twin or {}).get("accuracy")
    start = probes.less_baselines.get(RANDOM_INIT, {}).get("accuracy")

    def mean(difference: Difference | None) -> float | None:
        return difference.mean if difference else None

    return RunSummary(
        accuracy_percent=_hundred(probes.mean_accuracy.get(ENCODER)),
        validation_accuracy_percent=_hundred((probes.mean_validation_accuracy or {}).get(ENCODER)),
        less_twin_points=_hundred(mean(twin)),
        less_twin_ci95_low_points=_hundred(twin.ci95_low if twin else None),
        less_twin_ci95_high_points=_hundred(twin.ci95_high if twin else None),
        less_random_init_points=_hundred(mean(start)),
        knn_accuracy_percent=_hundred(probes.mean_knn_accuracy.get(ENCODER)),
        rankme_directions=run.final.rankme,
        zeros_percent=_hundred(run.zero_share),
        live_latents=run.sparsity.live_latents,
        groups_share_nats=groups.tc_between,
        dci_z=groups.dci_disentanglement_null_z,
        pretrain_minutes=run.minutes,
    )


def _hundred(share: float | None) -> float | None:
    return None if share is None else round(100 * share, DIGITS)
