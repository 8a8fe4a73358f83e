"""prepare: pixels and labels of every set that the pipeline reads, as store.py lays them out.

Writes artifacts/data/<set>/ and reports/metrics/prepare.json.
"""

import os
from pathlib import Path

from pipeline.data.cifar import cifar_source
from pipeline.data.folder import folder_source
from pipeline.data.prepare import Source, scenes_source, write_set
from pipeline.data.workers import num_workers
from pipeline.files import ParamsError, atomic_folder, write_json
from pipeline.params import Params
from stages import command


def main(params: Params, root: Path) -> None:
    """Prepare `data.name` and every set of `embed.sets`; artifacts/data is written whole or not at all."""
    data = params.data
    workers = num_workers(params.runtime.workers)
    summaries = {}
    with atomic_folder(root / "artifacts" / "data") as folder:
        for name in dict.fromkeys((data.name, *params.embed.sets)):
            source = _source(name, params, root)
            summaries[name] = write_set(
                folder / name,
                name,
                data.image_size,
                source,
                workers,
                max_broken=data.max_broken,
                log_seconds=params.runtime.log_seconds,
            )
    write_json(root / "reports" / "metrics" / "prepare.json", summaries)
    for name, summary in summaries.items():
        num_labels = summary["num_labels"]
        print(
            f"{name}: {summary['train']:,} train and {summary['test']:,} test images of "
            f"{data.image_size}x{data.image_size}, {num_labels} label{'s' if num_labels > 1 else ''}"
        )


def _source(name: str, params: Params, root: Path) -> Source:
    data = params.data
    # data.root belongs to data.name: a set that is only embedded has no folder of its own.
    own_root = root / data.root.expanduser() if data.root and name == data.name else None
    if name == "scenes":
        return scenes_source(data)
    if name == "folder":
        if own_root is None:
            raise ParamsError("embed.sets: folder can only be data.name, which data.root belongs to")
        return folder_source(own_root, data.image_size, data.test_fraction, data.seed)
    # Under runs/, not artifacts/: DVC deletes a stage's outputs, and a download should outlive that.
    downloads = Path(os.environ.get("RUNS_DIR", root / "runs")) / "downloads"
    return cifar_source(name, own_root, downloads, data.image_size)


if __name__ == "__main__":
    command.run(main)
