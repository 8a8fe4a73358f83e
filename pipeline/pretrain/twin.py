"""The dense twin: the same run without sparsity, what every claim of sparsity is measured against."""

from pipeline.params import Params, RegularizerParams


def dense_twin(params: Params) -> Params:
    """The params of the twin: I-JEPA on the same seed, batches, crops and masks, with a plain regulariser.

    `sparsity.method` is none. `independent_groups` becomes vicreg, which has the same terms without groups
    and without dependence of higher order. The twin reads no other param of the section `sparsity`, so runs
    that differ in these alone share it.
    """
    regularizer = params.regularizer
    if regularizer.name == "independent_groups":
        weight, site = regularizer.weight, regularizer.site
        regularizer = RegularizerParams(name="vicreg", weight=weight, site=site, dependence=0, probes=1)
    sparsity = params.sparsity.model_copy(update={"method": "none"})
    return params.model_copy(update={"sparsity": sparsity, "regularizer": regularizer})
