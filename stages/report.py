"""Stage `report`: metrics, curves and a few images as a page, as Markdown and as figures."""

from pathlib import Path

from pipeline.contracts import summary as contract
from pipeline.files import atomic_file, atomic_folder
from pipeline.layout import FIGURES, PAGE, README, metrics_file
from pipeline.params import Params
from pipeline.report.content import compose
from pipeline.report.inputs import read_inputs
from pipeline.report.page import render_page, render_readme
from pipeline.report.summary import summarise
from stages.command import run


def main(params: Params, root: Path) -> None:
    """Write reports/index.html, reports/README.md, reports/figures/ and reports/metrics/summary.json from the
    other stages' files.

    Raises InputError where an input is missing or is of another shape, and names the file, its dotted key
    and the command that writes it anew. Nothing is written then.
    """
    inputs = read_inputs(params, root)
    content = compose(inputs)
    summary = summarise(
        inputs.pretrain, inputs.probe.summary[params.data.name], inputs.interpretation.headline
    )
    texts = {PAGE: render_page(content), README: render_readme(content)}
    files = content.files()
    with atomic_folder(root / FIGURES) as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
    for path, text in texts.items():
        with atomic_file(root / path) as temporary:
            temporary.write_text(text)
    contract.write(root / metrics_file("summary"), summary)


if __name__ == "__main__":
    run(main)
