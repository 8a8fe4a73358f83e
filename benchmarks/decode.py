"""The stage `prepare` on a folder of images beside decoding the same files and nothing else.

    python -m benchmarks.decode --root IMAGES

Both are timed in turns, on one thread. Without --root the files are drawn scenes, saved as JPEG.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.common import DEFAULTS, interleaved, median
from benchmarks.record import command_line, save
from pipeline import params
from pipeline.prepare.folder import source as folder_source
from pipeline.prepare.image_file import ENDINGS
from pipeline.prepare.scenes.render import render
from pipeline.prepare.source import Request
from pipeline.prepare.write import write_set
from pipeline.runtime import Runtime

NUM_DRAWN, CLASSES, SIZE = 2_000, 4, 32


def draw_files(root: Path) -> None:
    """Write NUM_DRAWN scenes into CLASSES folders."""
    for number, pixels in enumerate(render("textured", NUM_DRAWN, SIZE, seed=0, chunk=0).images):
        path = root / f"class{number % CLASSES}" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, quality=95)


def decode_all(files: list[Path]) -> int:
    """Decode every file to an array of RGB bytes and keep none. Returns how many bytes there were."""
    num_bytes = 0
    for path in files:
        with Image.open(path) as image:
            num_bytes += np.asarray(image.convert("RGB")).nbytes
    return num_bytes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="a folder of images")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or Path(folder) / "images"
        if arguments.root is None:
            root.mkdir()
            draw_files(root)
        files = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS)

        default = params.load(DEFAULTS)
        data = default.data.model_copy(update={"name": "folder", "root": root, "image_size": SIZE})
        runtime = default.runtime.model_copy(update={"workers": 1, "log_seconds": 1e9})
        request = Request("folder", root, data, Path(folder), "--root")

        def prepare() -> None:
            write_set(Path(folder) / "set", request, folder_source(request), runtime)

        calls = {"decode": lambda: decode_all(files), "prepare": prepare}
        seconds = interleaved(calls, arguments.rounds, device)
    rates = {name: len(files) / median(values, device) for name, values in seconds.items()}
    command = command_line()
    content = {
        "command": command.replace(str(arguments.root), "<images>") if arguments.root else command,
        "images": len(files),
        "images_per_second": rates,
        "ratio_prepare_to_decode": rates["prepare"] / rates["decode"],
    }
    times = rates["decode"] / rates["prepare"]
    lines = [
        f"{len(files):,} files of {'photographs' if arguments.root else 'scenes'} to {SIZE} pixels: decoding "
        f"{rates['decode']:,.0f} images/s, prepare {rates['prepare']:,.0f} ({times:.2f} times the time)."
    ]
    title = "prepare beside decoding alone"
    save("decode", title, Runtime(device, "fp32"), arguments.rounds, content, lines)


if __name__ == "__main__":
    main()
