"""Wrong use of labels gets one line."""

import pytest
import torch

from pipeline.data.labels import Label
from pipeline.files import InputError, ParamsError
from pipeline.probe.targets import Targets, check_enough_images, choose_labels, unscorable, unusable

SETS = {
    "scenes": {"count": Label("count", ("1", "2"))},
    "cifar10": {"class": Label("categorical", ("a", "b"))},
}


def test_all_labels_or_those_that_are_named():
    assert choose_labels(None, SETS) == {"count", "class"}
    assert choose_labels(("class",), SETS) == {"class"}


def test_a_label_that_no_set_has_names_those_that_there_are():
    with pytest.raises(ParamsError) as caught:
        choose_labels(("class", "shape"), SETS)
    assert str(caught.value) == (
        "probe.labels: no set has the label 'shape'; scenes has count; cifar10 has class"
    )


def test_fewer_images_than_classes_is_refused():
    specs = {"fine": Label("categorical", tuple(map(str, range(100))))}
    check_enough_images("artifacts/data/x", 100, specs)
    with pytest.raises(
        InputError, match=r"^artifacts/data/x: 99 training images are fewer than the 100 classes"
    ):
        check_enough_images("artifacts/data/x", 99, specs)


def test_reasons_tell_the_splits_apart():
    one, two = torch.tensor([0, 0, -1]), torch.tensor([0, 1, -1])
    nothing, numbers = torch.tensor([-1, -1, -1]), torch.tensor([1.0, 1.0, torch.nan])
    assert unusable(Targets({"a": one, "b": two}, {"c": numbers})) == {
        "a": "fewer than two classes in the training split",
        "c": "fewer than two values in the training split",
    }
    assert unscorable(Targets({"a": one, "b": nothing}, {"c": numbers})) == {
        "b": "no labelled image in the test split",
        "c": "fewer than two values in the test split",
    }
