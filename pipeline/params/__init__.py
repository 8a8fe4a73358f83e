"""The frozen, closed, described params of a run: params.yaml as objects, one file a section.

It holds no default (params.yaml has them) and no logic beyond checks. `load` reads a file and names every
mistake in it; docs/params.md is made from it by `python -m pipeline.params`.
"""

from pipeline.params.augment import AugmentParams
from pipeline.params.base import Section
from pipeline.params.data import DataParams, ScenesParams
from pipeline.params.embed import EmbedParams, ReferenceParams, SparseAutoencoderParams
from pipeline.params.interpret import InterpretParams
from pipeline.params.masking import MaskingParams
from pipeline.params.model import ModelParams, PredictorParams
from pipeline.params.objective import ObjectiveParams
from pipeline.params.pretrain import PretrainParams
from pipeline.params.probe import FineTuneParams, LowShotParams, ProbeParams, SgdParams
from pipeline.params.reader import load, parse_tree, read_tree, validate
from pipeline.params.regularizer import RegularizerParams
from pipeline.params.runtime import RuntimeParams
from pipeline.params.sparsity import RdmregParams, SparsityParams
from pipeline.params.text import parse
from pipeline.params.tree import Params

__all__ = [
    "AugmentParams",
    "DataParams",
    "EmbedParams",
    "FineTuneParams",
    "InterpretParams",
    "LowShotParams",
    "MaskingParams",
    "ModelParams",
    "ObjectiveParams",
    "Params",
    "PredictorParams",
    "PretrainParams",
    "ProbeParams",
    "RdmregParams",
    "ReferenceParams",
    "RegularizerParams",
    "RuntimeParams",
    "ScenesParams",
    "Section",
    "SgdParams",
    "SparseAutoencoderParams",
    "SparsityParams",
    "load",
    "parse",
    "parse_tree",
    "read_tree",
    "validate",
]
