"""A small CLEVR_v1.0 folder of the true layout."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

OBJECT = {
    "color": "gray", "size": "large", "shape": "cube", "material": "rubber", "rotation": 12.3,
    "3d_coords": [0.1, 0.2, 0.7],
}  # fmt: skip
TRAIN = [[9.4, 12.0, 11.0], [8.0, 8.6, 9.0, 15.2], [10.0] * 10]  # depths of each scene's objects
VAL = [[10.1] * 5, [7.9, 20.0, 20.0]]


def scene(part: str, index: int, depths: list[float]) -> dict:
    """A scene as CLEVR's files hold it."""
    others = [[other for other in range(len(depths)) if other != this] for this in range(len(depths))]
    return {
        "split": part,
        "image_index": index,
        "image_filename": f"CLEVR_{part}_{index:06d}.png",
        "objects": [OBJECT | {"pixel_coords": [100, 90 + at, depth]} for at, depth in enumerate(depths)],
        "relationships": dict.fromkeys(("right", "left", "front", "behind"), others),
        "directions": {"right": [0.6, 0.7, -0.0], "left": [-0.6, -0.7, 0.0]},
    }


def write_clevr(root: Path, train=TRAIN, val=VAL) -> Path:
    """CLEVR_v1.0/{scenes,images}, with RGBA images whose left and right edges are red."""
    for part, scenes in (("train", train), ("val", val)):
        (root / "images" / part).mkdir(parents=True)
        (root / "scenes").mkdir(exist_ok=True)
        contents = [scene(part, index, depths) for index, depths in enumerate(scenes)]
        info = {"date": "2/14/2017", "version": "1.0", "split": part, "license": "CC BY 4.0"}
        (root / f"scenes/CLEVR_{part}_scenes.json").write_text(json.dumps({"info": info, "scenes": contents}))
        for index in range(len(scenes)):
            pixels = np.full((320, 480, 4), 255, np.uint8)
            pixels[:, :40, 1:3] = pixels[:, -40:, 1:3] = 0
            Image.fromarray(pixels).save(root / f"images/{part}/CLEVR_{part}_{index:06d}.png")
    return root
