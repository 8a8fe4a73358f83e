"""Where the features' variance goes: the share of it between the classes of each label, beside the twin's.

    python -m benchmarks.variance [FOLDER]

FOLDER (here) is a clone in which the stages ran. A probe that is fitted on few images, and k-NN, read first
what has most variance.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from pipeline.data.store import open_set
from pipeline.files import InputError
from pipeline.layout import DATA, EMBEDDINGS
from pipeline.measure.embedding_store import image_views
from pipeline.views import ENCODER, TWIN


def share_between_classes(
    features: Float[np.ndarray, "images dim"], classes: Int[np.ndarray, " images"]
) -> float:
    """Variance of the class means over that of the images, summed over features, in [0, 1]; one-way eta
    squared. Images without the label, -1, are left out."""
    features, classes = features[classes >= 0], classes[classes >= 0]
    centred = features - features.mean(0)
    means = pd.DataFrame(centred).groupby(classes).transform("mean").to_numpy()
    return float((means**2).sum() / (centred**2).sum())


def table(folder: Path) -> pd.DataFrame:
    """A row for each label of each embedded set that has classes; a column for each of the two views."""
    rows = []
    for path in sorted((folder / DATA).iterdir()):
        image_set, views = open_set(path), image_views(folder / EMBEDDINGS, path.name, "test")
        labels = image_set.split("test").labels.iloc[views.read_index()]
        codes = [name for name in (ENCODER, TWIN) if name in views.views()]
        features = {name: views.read(name).astype(np.float64) for name in codes}
        for label, about in image_set.labels.items():
            if about.classes:
                shares = {
                    name: share_between_classes(code, labels[label].to_numpy())
                    for name, code in features.items()
                }
                rows.append({"set": path.name, "label": label, **shares})
    return pd.DataFrame(rows)


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    try:
        print(table(folder).to_string(index=False, float_format="{:.4f}".format))
    except (InputError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
