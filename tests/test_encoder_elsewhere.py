"""The README's lines open the exported encoder where there is timm and nothing of this project."""

import re
import subprocess
import sys

import numpy as np
import torch
from conftest import REPOSITORY
from PIL import Image

from pipeline.jepa.pretrained import load_encoder
from pipeline.layout import ENCODER
from pipeline.measure.embeddings import encoder_normalise
from tests.stages.tiny_run import SIZE, tiny_run

BLOCKED = "import sys; sys.modules |= dict.fromkeys(('pipeline', 'stages', 'dvc', 'prefect', 'pandas'))\n"
SAVE = "\nimport torch; torch.save(features, 'features.pt')"


def test_five_lines_of_the_readme_give_the_features_with_timm_alone(tmp_path):
    tiny_run(tmp_path)
    pixels = np.random.default_rng(0).integers(256, size=(SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    [lines] = re.findall(
        r"```python\n(import timm\n.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL
    )
    assert len([line for line in lines.splitlines() if line]) == 5
    command = [sys.executable, "-I", "-c", BLOCKED + lines + SAVE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Multiple" not in done.stderr
    expected = load_encoder(tmp_path / ENCODER)(
        encoder_normalise(tmp_path / ENCODER)(torch.from_numpy(pixels)[None])
    )
    torch.testing.assert_close(torch.load(tmp_path / "features.pt"), expected, atol=1e-5, rtol=1e-4)
