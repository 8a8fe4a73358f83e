"""`python -m pipeline export`: the trained encoder as a folder to pass on, for model hubs and for ONNX."""

import argparse
import shutil
import warnings
from pathlib import Path

from pipeline import digests
from pipeline.contracts import probe
from pipeline.files import InputError, atomic_folder, read_json
from pipeline.layout import CARD, CONFIG, EMBEDDINGS, ENCODER, metrics_file
from pipeline.views import BASELINES, TWIN
from pipeline.views import ENCODER as OURS

ONNX = "model.onnx"
TOLERANCE = 1e-4  # largest difference of a feature between timm and onnxruntime, in units of its deviation
NUM_IMAGES = 3  # that both are compared on; the graph is traced with two


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hub-folder", type=Path, required=True, metavar="DIR", help="a new folder; nothing is sent anywhere"
    )
    parser.add_argument("--onnx", action="store_true", help=f"add {ONNX}, which needs the extra `onnx`")
    parser.add_argument("--encoder", type=Path, default=ENCODER, metavar="DIR", help=f"default: {ENCODER}")


def main(arguments: argparse.Namespace) -> int:
    """Write the folder whole or not at all.

    Raises InputError where it exists already, where there is no encoder, where the probes are of another one,
    and where a library for ONNX is missing.
    """
    folder, encoder = arguments.hub_folder.expanduser(), arguments.encoder.expanduser()
    if folder.exists():
        raise InputError(f"--hub-folder: {folder} exists already; name a new folder")
    for name in (CONFIG, CARD):
        if not (encoder / name).exists():
            raise InputError(f"--encoder: {encoder / name} not found; run `dvc repro pretrain`")
    scores = probe_scores(Path.cwd(), encoder)
    with atomic_folder(folder) as temporary:
        digests.check(encoder)
        shutil.copytree(encoder, temporary, dirs_exist_ok=True)
        (temporary / digests.FILE).unlink()  # the folder will hold more
        card = temporary / CARD
        if scores:
            card.write_text(f"{card.read_text()}\n{scores}")
        if arguments.onnx:
            difference = write_onnx(temporary, temporary / ONNX)
            print(f"{folder / ONNX}: features as timm's, within {difference:.1e} of their deviation")
    told = "with" if scores else "without"
    print(f"{folder}: ready for a model hub, its card {told} the scores of the probes")
    return 0


def probe_scores(root: Path, encoder: Path) -> str:
    """A section of the card with the mean scores on each probed set; empty where nothing was probed.

    Raises InputError where the features that were probed are of another encoder.
    """
    path = root / metrics_file("probe")
    if not path.exists():
        return ""
    from pipeline.measure.embedding_store import read_meta

    read_meta(root / EMBEDDINGS, encoder)
    rows = [
        f"| {name} | {view} | {accuracy:.1%} | {_percent(summary.mean_knn_accuracy.get(view))} |\n"
        for name, summary in probe.read(path).summary.items()
        for view, accuracy in summary.mean_accuracy.items()
        if view in (OURS, TWIN, *BASELINES) and accuracy is not None
    ]
    if not rows:
        return ""
    of_twin = (
        " `twin` is the same encoder trained without sparsity."
        if any(f"| {TWIN} |" in row for row in rows)
        else ""
    )
    return (
        f"## Scores of the frozen features\n\nTest accuracy, the mean over the labels of a set.{of_twin}\n"
        "`random_init` is the encoder before its first step.\n\n"
        "| set | features | linear probe | k-NN |\n| --- | --- | --: | --: |\n" + "".join(rows)
    )


def write_onnx(folder: Path, path: Path) -> float:
    """Write the encoder of a model folder as an ONNX graph: `images` (batch, 3, size, size), normalised, to
    `features` (batch, embed_dim), for any batch.

    Returns the largest difference to timm's features, divided by their standard deviation. Raises InputError
    where it is more than TOLERANCE, and where a library is missing.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # torch's exporter imports it when it runs
    except ModuleNotFoundError as error:
        raise InputError(f"--onnx: needs {error.name}: uv pip install onnx onnxruntime onnxscript") from None
    import timm
    import torch

    encoder = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    size = read_json(folder / CONFIG)["pretrained_cfg"]["input_size"][-1]
    images = torch.randn(NUM_IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of torch about itself
        torch.onnx.export(
            encoder,
            (images[:2],),
            path,
            input_names=["images"],
            output_names=["features"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
        expected = encoder(images)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    features = torch.from_numpy(session.run(["features"], {"images": images.numpy()})[0])
    difference = float((features - expected).abs().max() / expected.std())
    if not difference <= TOLERANCE:
        raise InputError(f"{path.name}: its features differ from timm's by {difference:.1e} deviations")
    return difference


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
