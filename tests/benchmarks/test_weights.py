"""The trained encoders of the repository open in one line, and their cards say how they were made."""

import pytest
import timm
import torch
from conftest import REPOSITORY

FOLDERS = sorted((REPOSITORY / "weights").iterdir())


def test_there_is_one_of_generated_images_and_of_the_papers_set_a_sparse_and_a_dense_one():
    assert [folder.name for folder in FOLDERS] == ["cifar100", "cifar100-dense", "scenes"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_encoder_opens_in_timm_and_tells_images_apart(folder):
    encoder = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = encoder(images)
    assert features.shape == (8, 128)
    assert torch.pdist(features).min() > 0.1


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_is_small_and_its_card_has_licence_data_scores_and_commit(folder):
    assert sum(file.stat().st_size for file in folder.rglob("*")) < 10e6
    card = (folder / "README.md").read_text()
    for part in (
        "license: ",
        "## Licence",
        "training set",
        "linear probe",
        "at commit ",
        f"weights/{folder.name}",
    ):
        assert part in card
