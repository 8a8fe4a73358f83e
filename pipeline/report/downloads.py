"""What a reader takes away: the files behind the page, and what to cite."""

from typing import NamedTuple

from pipeline.contracts import interpret, prepare, pretrain, probe, twin
from pipeline.layout import PAGE, metrics_file, table_file


class Download(NamedTuple):
    """A file beside the page, and what it holds."""

    path: str
    text: str


FILES = (
    (metrics_file(probe.STAGE), "every probe's scores with intervals"),
    (table_file("probe"), "the same, a row per set, label and view"),
    (table_file("probe_confusion"), "answers of the linear probe, by true and by predicted class"),
    (metrics_file(interpret.STAGE), "every number of the groups, beside chance"),
    *(
        (table_file(f"interpret_{name}"), text)
        for name, text in (
            ("groups", "R² and ablation of every factor and group"),
            ("top", "strongest and random images of every group"),
            ("map", "places of images on the map"),
            ("neighbors", "nearest images"),
            ("tokens", "colours and attention of tokens"),
        )
    ),
    (metrics_file(pretrain.STAGE), "what ran and where it ended"),
    (metrics_file(twin.STAGE), "the same of the dense twin"),
    (table_file("training"), "the curves of training"),
    (table_file("interaction"), "the norms of the columns of W"),
    (metrics_file(prepare.STAGE), "the sets of images, with their hashes"),
    (metrics_file("summary"), "twelve numbers of the run"),
)
CITATION = """\
@misc{hartman2025sparsejepa,
  title = {SparseJEPA: Sparse Representation Learning of Joint Embedding Predictive Architectures},
  author = {Hartman, Max and Varshney, Lav},
  year = {2025},
  eprint = {2504.16140},
  archivePrefix = {arXiv}
}
@software{sparsejepa_pipeline,
  title = {SparseJEPA as a reproducible pipeline},
  author = {{The SparseJEPA pipeline authors}},
  note = {CITATION.cff of the repository has the papers that it rebuilds}
}
"""


def downloads(with_twin: bool) -> list[Download]:
    """The files with their paths from the page's folder."""
    left_out = None if with_twin else metrics_file(twin.STAGE)
    return [
        Download(path.relative_to(PAGE.parent).as_posix(), text) for path, text in FILES if path != left_out
    ]
