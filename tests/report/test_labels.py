"""Claims about the words on labels: every label of generated scenes has some, and no other set does."""

import pytest

from pipeline.measure.patches import SPECS
from pipeline.prepare.scenes.render import VARIANTS, label_specs
from pipeline.report.about import SCENES, about
from pipeline.report.labels import about_labels


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_label_of_scenes_is_explained(variant: str):
    labels = {*label_specs(variant, 32), *SPECS}
    assert {about.name for about in about_labels("scenes", labels)} == labels


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_report_says_what_each_variant_shows(variant: str):
    assert about("scenes", variant, "none", twin=False)[0].text.endswith(SCENES[variant])


def test_labels_of_other_sets_are_not_explained_by_the_words_on_scenes():
    assert about_labels("cifar100", ["count", "shape"]) == ()
