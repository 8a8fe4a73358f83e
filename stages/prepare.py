"""prepare: pixels and labels of every set that the pipeline reads, as pipeline.data.store lays them out.

Reads the sets of `data` and `embed.sets`; writes artifacts/data/<set>/ and reports/metrics/prepare.json.
"""

from pathlib import Path

from pipeline import layout
from pipeline.contracts import prepare as contract
from pipeline.files import atomic_folder
from pipeline.params import Params
from pipeline.prepare.sources import open_source, requests
from pipeline.prepare.write import write_set
from stages import command


def main(params: Params, root: Path) -> None:
    """Prepare `data.name` and every set of `embed.sets`; artifacts/data is written whole or not at all.

    Raises InputError, which names the param and the file, where a set cannot be had or read.
    """
    summaries = {}
    with atomic_folder(root / layout.DATA) as folder:
        for request in requests(params, root):
            source = open_source(request)
            summaries[request.name] = write_set(folder / request.name, request, source, params.runtime)
    contract.write(root / layout.metrics_file("prepare"), contract.Prepare.model_validate(summaries))
    size = params.data.image_size
    for name, summary in summaries.items():
        num_labels = summary["num_labels"]
        print(
            f"{name}: {summary['train']:,} train and {summary['test']:,} test images of {size}x{size}, "
            f"{num_labels or 'no'} label{'s' if num_labels > 1 else ''}"
        )


if __name__ == "__main__":
    command.run(main)
