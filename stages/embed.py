"""Stage `embed`: features of every image from the encoder and its sparse module, from the encoder at
initialisation, from raw pixels, and from a reference model where one is named."""

from pathlib import Path

from pipeline.data.store import SPLITS, open_set
from pipeline.embed.embedding import embed_sets, load_context
from pipeline.files import atomic_folder
from pipeline.layout import DATA, EMBEDDINGS, ENCODER
from pipeline.params import Params
from pipeline.runtime import resolve
from stages.command import run


def main(params: Params, root: Path) -> None:
    """Write artifacts/embeddings (pipeline.measure.embedding_store): of each set the views that
    pipeline.views names, of its images and, where it labels patches, of patches.

    All sets are normalised as the pretraining set was, a reference model's input as in its own training.
    Raises InputError where a set's images are not of the encoder's size, and where features are not finite.
    """
    runtime = resolve(params.runtime)
    context = load_context(root / ENCODER, params.embed, root, runtime)
    names = dict.fromkeys([params.data.name, *(entry.partition(":")[0] for entry in params.embed.sets)])
    sets = {name: open_set(root / DATA / name) for name in names}
    with atomic_folder(root / EMBEDDINGS) as folder:
        meta = embed_sets(sets, context, folder)
    for name, image_set in sets.items():
        counts = ", ".join(f"{image_set.counts[split]:,} {split}" for split in SPLITS)
        print(f"{name}: {counts} images x {meta.dim} features; views {', '.join(meta.views)}")


if __name__ == "__main__":
    run(main)
