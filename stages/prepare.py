"""prepare: pixels and labels of every set that the pipeline reads, as store.py lays them out.

Writes artifacts/data/<set>/ and reports/metrics/prepare.json.
"""

import os
from pathlib import Path

from pipeline.contracts import prepare as contract
from pipeline.files import atomic_folder
from pipeline.layout import metrics_file
from pipeline.params import Params
from pipeline.prepare.cifar import cifar_source
from pipeline.prepare.clevr import clevr_source
from pipeline.prepare.folder import folder_source
from pipeline.prepare.scenes.source import scenes_source
from pipeline.prepare.source import Source, write_set
from pipeline.prepare.workers import num_workers
from stages import command


def main(params: Params, root: Path) -> None:
    """Prepare `data.name` and every set of `embed.sets`; artifacts/data is written whole or not at all."""
    data = params.data
    workers = num_workers(params.runtime.workers)
    summaries = {}
    with atomic_folder(root / "artifacts" / "data") as folder:
        for name, path in _wanted(params).items():
            source = _source(name, path, params, root)
            summaries[name] = write_set(
                folder / name,
                name,
                data.image_size,
                source,
                workers,
                max_broken=data.max_broken,
                log_seconds=params.runtime.log_seconds,
            )
    contract.write(root / metrics_file("prepare"), contract.Prepare.model_validate(summaries))
    for name, summary in summaries.items():
        num_labels = summary["num_labels"]
        print(
            f"{name}: {summary['train']:,} train and {summary['test']:,} test images of "
            f"{data.image_size}x{data.image_size}, {num_labels} label{'s' if num_labels > 1 else ''}"
        )


def _wanted(params: Params) -> dict[str, Path | None]:
    """Name and root of every set, data.name first; the entries of embed.sets are name or name:path."""
    wanted = {params.data.name: params.data.root}
    for name, _, path in (entry.partition(":") for entry in params.embed.sets):
        wanted.setdefault(name, Path(path) if path else None)
    return {name: path.expanduser() if path else None for name, path in wanted.items()}


def _source(name: str, path: Path | None, params: Params, root: Path) -> Source:
    data = params.data
    key = "data.root" if name == data.name else "embed.sets"
    if name == "scenes":
        return scenes_source(data)
    if name in ("cifar10", "cifar100"):
        # Under runs/, not artifacts/: DVC deletes a stage's outputs, and a download should outlive that.
        downloads = Path(os.environ.get("RUNS_DIR", root / "runs")) / "downloads"
        return cifar_source(name, root / path if path else None, downloads, data.image_size, key)
    assert path is not None, "params demand it"
    if name == "clevr":
        return clevr_source(root / path, data.image_size, key)
    return folder_source(root / path, data.image_size, data.test_fraction, data.seed, key)


if __name__ == "__main__":
    command.run(main)
