"""The notebook runs on a finished run, shows its pictures, and is kept without results."""

import pytest
from conftest import REPOSITORY

from tests.finished_run import FinishedRun

nbformat = pytest.importorskip("nbformat")
NOTEBOOK = REPOSITORY / "docs/encoder.ipynb"


def test_the_notebook_is_kept_without_results():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(
        not cell.outputs and cell.execution_count is None for cell in notebook.cells if "outputs" in cell
    )


@pytest.mark.slow
def test_the_notebook_shows_groups_of_a_finished_run(finished_run: FinishedRun, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(finished_run.root)}}
    nbclient.NotebookClient(notebook, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    assert "scenes: 120 test images of 32 pixels" in text
    assert "features (120, 32), energies of groups (120, 4)" in text
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
