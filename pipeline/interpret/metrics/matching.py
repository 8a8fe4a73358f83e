"""How factors and units match one to one, of groups and of single features: modularity, MIG, DCI.

Groups are compared by their skill, and by what is lost without them, as a share of what all features tell.
All need two factors to compare.
"""

from pipeline.interpret import dci
from pipeline.interpret.code_statistics import CodeStatistics
from pipeline.interpret.nulls import with_null
from pipeline.measure.metrics import Metrics

GROUP_METRICS = {  # of a matrix factors x groups of shares of what all features tell
    "modularity": dci.modularity,
    "mig": dci.gap,
    "dci_disentanglement": dci.disentanglement,
    "dci_completeness": dci.completeness,
}


def group_matching(statistics: CodeStatistics) -> Metrics:
    """modularity, mig, dci_disentanglement, dci_completeness of the groups' skill, with their nulls."""
    if len(statistics.factors) < 2:
        return {}
    shares = dci.shares(statistics.skill, statistics.full_skill, statistics.skill_floor)
    metrics: Metrics = {}
    for name, function in GROUP_METRICS.items():
        metrics |= with_null(name, function(shares), statistics.code.grouped)
    return metrics


def ablation_selectivity(statistics: CodeStatistics) -> Metrics:
    """ablation_selectivity: modularity of what is lost without a group, with its null."""
    if len(statistics.factors) < 2:
        return {}
    shares = dci.shares(statistics.drops, statistics.full_skill, statistics.drop_floor)
    return with_null("ablation_selectivity", dci.modularity(shares), statistics.code.grouped)


def feature_matching(statistics: CodeStatistics) -> Metrics:
    """mig_features, dci_features_disentanglement, dci_features_completeness: of the information that single
    features give."""
    if len(statistics.factors) < 2:
        return {}
    information = statistics.feature_information[None]
    return {
        "mig_features": float(dci.gap(information)[0]),
        "dci_features_disentanglement": float(dci.disentanglement(dci.row_shares(information))[0]),
        "dci_features_completeness": float(dci.completeness(dci.row_shares(information))[0]),
    }
