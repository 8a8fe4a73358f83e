"""CIFAR: small archives in the true format, whose checksums take the place of the real ones."""

import hashlib
import pickle
import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torchvision
from torchvision.datasets import CIFAR10, CIFAR100

from pipeline.files import InputError
from pipeline.prepare import cifar
from tests.prepare.make_request import make_request

PER_BATCH = 6
LABELS = {
    "cifar10": {"class": ("labels", "label_names", 10)},
    "cifar100": {
        "fine": ("fine_labels", "fine_label_names", 100),
        "coarse": ("coarse_labels", "coarse_label_names", 20),
    },
}
KINDS = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture(params=["cifar10", "cifar100"])
def name(request):
    return request.param


@pytest.fixture
def kind(name):
    return KINDS[name]


@pytest.fixture
def unpacked(tmp_path, monkeypatch, name, kind):
    """A folder that holds the unpacked batches and, beside it in `packed`, the archive."""
    rng = np.random.default_rng(0)
    batches = tmp_path / "unpacked" / kind.base_folder
    batches.mkdir(parents=True)
    for batch, _ in kind.train_list + kind.test_list:
        content = {"data": rng.integers(256, size=(PER_BATCH, 3 * 32 * 32), dtype=np.uint8)}
        for key, _, count in LABELS[name].values():
            content[key] = rng.integers(count, size=PER_BATCH).tolist()
        (batches / batch).write_bytes(pickle.dumps(content))
    meta = {key: [f"{key} {i}" for i in range(count)] for _, key, count in LABELS[name].values()}
    (batches / kind.meta["filename"]).write_bytes(pickle.dumps(meta))
    (tmp_path / "packed").mkdir()
    archive = tmp_path / "packed" / kind.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(batches, kind.base_folder)

    for files in ("train_list", "test_list"):
        listed = [[batch, md5(batches / batch)] for batch, _ in getattr(kind, files)]
        monkeypatch.setattr(kind, files, listed)
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(batches / kind.meta["filename"])})
    monkeypatch.setattr(kind, "tgz_md5", md5(archive))
    return tmp_path / "unpacked"


@pytest.fixture
def packed(unpacked):
    return unpacked.parent / "packed"


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_args, **_options):
        raise URLError("no network")

    monkeypatch.setattr(torchvision.datasets.utils.urllib.request, "urlopen", refuse)


def read(source, split):
    chunks = [source.make(*task) for task in source.tasks(split)]
    labels = {name: np.concatenate([chunk.labels[name] for chunk in chunks]) for name in source.labels}
    return np.concatenate([chunk.images for chunk in chunks]), labels


def test_the_unpacked_folder_itself_may_be_named(tmp_path, unpacked, name, kind):
    requests = [
        make_request(name, root, 32, tmp_path / "no") for root in (unpacked, unpacked / kind.base_folder)
    ]
    above, inside = (read(cifar.source(request), "test") for request in requests)
    np.testing.assert_array_equal(above[0], inside[0])
    (unpacked / kind.base_folder / kind.test_list[0][0]).write_bytes(b"changed")
    with pytest.raises(InputError, match=rf"{kind.test_list[0][0]} is missing, partial or changed"):
        cifar.source(requests[1])


def test_images_and_labels_are_torchvisions(tmp_path, unpacked, name, kind):
    source = cifar.source(make_request(name, unpacked, 32, tmp_path / "downloads"))
    for split in ("train", "test"):
        images, labels = read(source, split)
        reference = kind(unpacked, train=split == "train")
        np.testing.assert_array_equal(images, reference.data)
        first = "class" if name == "cifar10" else "fine"
        np.testing.assert_array_equal(labels[first], reference.targets)
        assert source.labels[first].classes == tuple(reference.classes)


def test_coarse_labels_are_those_of_the_batches(tmp_path, unpacked):
    if (unpacked / "cifar-100-python").exists():
        source = cifar.source(make_request("cifar100", unpacked, 32, tmp_path / "downloads"))
        stored = pickle.loads((unpacked / "cifar-100-python" / "train").read_bytes())
        np.testing.assert_array_equal(read(source, "train")[1]["coarse"], stored["coarse_labels"])
        assert len(source.labels["coarse"].classes) == 20


def test_other_sizes_are_resized_and_keep_the_brightness(tmp_path, unpacked, name):
    before, _ = read(cifar.source(make_request(name, unpacked, 32, tmp_path / "downloads")), "test")
    for size in (16, 64):
        after, _ = read(cifar.source(make_request(name, unpacked, size, tmp_path / "downloads")), "test")
        assert after.shape == (PER_BATCH, size, size, 3)
        np.testing.assert_allclose(after.mean((1, 2)), before.mean((1, 2)), atol=3)


def test_an_archive_is_unpacked_beside_nothing_of_the_users(tmp_path, packed, kind, name):
    source = cifar.source(make_request(name, packed, 32, tmp_path / "downloads"))
    assert len(read(source, "test")[0]) == PER_BATCH
    assert [path.name for path in packed.iterdir()] == [kind.filename]


def test_a_finished_download_needs_no_network(tmp_path, packed, offline, name):
    assert len(read(cifar.source(make_request(name, None, 32, packed)), "test")[0]) == PER_BATCH


def test_without_a_network_the_line_says_which_file_to_put_where(tmp_path, unpacked, offline, name, kind):
    with pytest.raises(InputError) as caught:
        cifar.source(make_request(name, None, 32, tmp_path / "downloads"))
    line = str(caught.value)
    for part in (kind.filename, kind.tgz_md5, str(tmp_path / "downloads"), "no network"):
        assert part in line
    assert "\n" not in line


def test_a_root_without_the_set_is_named_and_nothing_is_downloaded_into_it(tmp_path, unpacked, name, kind):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=f"data.root: .*{kind.tgz_md5}"):
        cifar.source(make_request(name, empty, 32, tmp_path / "downloads"))
    assert list(empty.iterdir()) == []


def test_a_truncated_archive_is_named(tmp_path, packed, name, kind):
    archive = packed / kind.filename
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(InputError, match=f"{kind.filename} is partial or changed"):
        cifar.source(make_request(name, packed, 32, tmp_path / "downloads"))


def test_a_changed_batch_is_never_unpickled(tmp_path, unpacked, name, kind):
    batch = unpacked / kind.base_folder / kind.train_list[-1][0]
    batch.write_bytes(b"cos\nabort\n(tR.")  # a pickle that would end this process
    with pytest.raises(InputError, match=f"{batch.name} is missing, partial or changed"):
        cifar.source(make_request(name, unpacked, 32, tmp_path / "downloads"))
