"""Set metrics, curves and a few images as reports/index.html, reports/README.md and reports/figures/."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.data.store import open_set
from pipeline.files import InputError, atomic_file, atomic_folder, read_json
from pipeline.jepa import masking
from pipeline.params import Params
from pipeline.report import page, words
from pipeline.report.interpretation import section as interpret
from stages.command import run

NUM_PICTURES = 8


def main(params: Params, root: Path) -> None:
    """Raises InputError where an input is missing, and names it."""
    metrics, plots, reports = root / "reports/metrics", root / "reports/plots", root / "reports"
    prepare, pretrain, probe = (
        read_json(metrics / f"{name}.json") for name in ("prepare", "pretrain", "probe")
    )
    training = read_table(plots / "training.csv", "step")
    interaction = read_table(plots / "interaction.csv", "norm")
    image_set = open_set(root / "artifacts/data" / params.data.name)
    test = image_set.split("test")
    interpretation = read_json(metrics / "interpret.json")
    if params.data.name not in interpretation:
        raise InputError(
            f"{metrics / 'interpret.json'}: has no set {params.data.name}; run the stage `interpret` again"
        )
    shown = {
        name: pd.DataFrame(found[found["set"] == params.data.name])
        for name in ("groups", "correlation", "top", "patches")
        for found in [read_table(plots / f"interpret_{name}.csv", "set")]
    }
    chosen = np.linspace(0, len(test) - 1, min(NUM_PICTURES, len(test))).astype(int)
    grid = image_set.image_size // params.model.patch_size
    masks = masking.sample(params.masking, grid, len(chosen), params.pretrain.seed, step=0, device="cpu")
    content = page.compose(
        page.Inputs(
            params=params,
            prepare=prepare,
            pretrain=pretrain,
            probe=probe,
            training=training,
            interaction=interaction,
            pictures=np.asarray(test.images[chosen]),
            captions=words.captions(image_set.labels, test.labels.iloc[chosen]),
            context=masks.context.numpy(),
            targets=masks.targets.numpy(),
            grid=grid,
            interpretation=interpret.Inputs(
                metrics=interpretation[params.data.name],
                tables=shown,
                images={row: np.asarray(test.images[row]) for row in interpret.needed_images(shown)},
                grid=grid,
            ),
        )
    )
    texts = {"index.html": page.render_page(content), "README.md": page.render_readme(content)}
    files = content.files()
    with atomic_folder(reports / "figures") as folder:
        for name, data in files.items():
            (folder / name).write_bytes(data)
    for name, text in texts.items():
        with atomic_file(reports / name) as temporary:
            temporary.write_text(text)


def read_table(path: Path, column: str) -> pd.DataFrame:
    """A CSV file. Raises InputError where it is absent, no table, or lacks `column`."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run the stage that writes it (`dvc repro`)") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table ({' '.join(str(error).split())})") from None
    if column not in table:
        raise InputError(f"{path}: has no column `{column}`")
    return table


if __name__ == "__main__":
    run(main)
