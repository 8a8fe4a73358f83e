"""Claims about the generated scenes: reproducible, labelled truly, with factors independent of each other."""

from functools import cache
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from pipeline.data.store import CELL
from pipeline.params.registry import VARIANTS
from pipeline.prepare.scenes.layout import sample_centres
from pipeline.prepare.scenes.palette import COLOURS, ORIENTATIONS
from pipeline.prepare.scenes.render import label_specs, render
from pipeline.prepare.scenes.rendered import Scenes

# Labels that are one quantity twice, or bounded by another: dependent by construction.
DEPENDENT = [{"num_shapes", "count"}, {"num_colours", "count"}, {"num_shapes", "num_colours"}]
NUM_PAIRS_TESTED = 150

FLAT = [
    variant for variant in VARIANTS if variant != "clevr_like"
]  # test_clevr_like.py has what the other claims

every_variant = pytest.mark.parametrize("variant", VARIANTS)
every_flat_variant = pytest.mark.parametrize("variant", FLAT)
both_sizes = pytest.mark.parametrize("size", [32, 64])
with_counts = pytest.mark.parametrize("variant", ["textured", "factors", "mixed"])


@cache
def scenes(variant: str, size: int) -> Scenes:
    return render(variant, 300, size, seed=0, chunk=0)


@cache
def many_labels(variant: str) -> dict[str, np.ndarray]:
    chunks = [render(variant, 1000, 32, seed=1, chunk=chunk).labels for chunk in range(8)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def fields(rendered: Scenes) -> list[np.ndarray]:
    return [rendered.images, rendered.patch_foreground, rendered.patch_object, *rendered.labels.values()]


@every_variant
def test_same_seed_and_chunk_give_the_same_bits(variant: str):
    first, second = (render(variant, 20, 32, seed=3, chunk=7) for _ in range(2))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(fields(first), fields(second), strict=True))


@pytest.mark.parametrize(
    ("variant", "mean", "sd", "foreground", "owners"),
    [
        ("textured", 68.50636, 48.16324, 0.181821, 1886),
        ("factors", 70.60874, 40.11029, 0.06338263, 615),
        ("mixed", 72.10789, 41.30421, 0.06735893, 722),
        ("single", 68.27761, 35.76957, 0.08583313, 512),
    ],
)
def test_flat_variants_draw_what_they_always_drew(
    variant: str, mean: float, sd: float, foreground: float, owners: int
):
    rendered = render(variant, 100, 32, seed=3, chunk=7)
    # Not a digest: another processor may round a sine differently.
    assert rendered.images.mean() == pytest.approx(mean, rel=1e-5)
    assert rendered.images.std() == pytest.approx(sd, rel=1e-5)
    assert rendered.labels["foreground"].mean() == pytest.approx(foreground, rel=1e-5)
    assert rendered.patch_object.sum() == pytest.approx(owners, rel=1e-3)


@every_variant
@pytest.mark.parametrize(("seed", "chunk"), [(3, 8), (4, 7)])
def test_another_seed_or_chunk_gives_other_scenes(variant: str, seed: int, chunk: int):
    first, second = render(variant, 20, 32, seed=3, chunk=7), render(variant, 20, 32, seed, chunk)
    assert (first.images != second.images).any(axis=(1, 2, 3)).all()
    assert any(
        (first.labels[name] != second.labels[name]).any() for name in first.labels if name != "foreground"
    )


@every_variant
@both_sizes
def test_arrays_have_the_promised_shapes_and_types(variant: str, size: int):
    rendered, g = scenes(variant, size), size // CELL
    assert rendered.images.shape == (300, size, size, 3)
    assert rendered.patch_foreground.shape == rendered.patch_object.shape == (300, g, g)
    assert {rendered.images.dtype, rendered.patch_foreground.dtype, rendered.patch_object.dtype} == {
        np.dtype(np.uint8)
    }


@every_variant
def test_one_image_can_be_drawn_alone(variant: str):
    assert render(variant, 1, 32, seed=0, chunk=0).images.shape == (1, 32, 32, 3)


@every_variant
@both_sizes
def test_labels_are_those_of_the_specs_and_take_every_class(variant: str, size: int):
    rendered, specs = scenes(variant, size), label_specs(variant, size)
    assert list(rendered.labels) == list(specs)
    without_pair = rendered.labels["count"] == 0 if "count" in specs else np.ones(300, bool)
    for name, spec in specs.items():
        values = rendered.labels[name]
        assert values.shape == (300,)
        if spec.kind == "real":
            assert values.dtype == np.float32 and spec.unit and not spec.classes
            present = np.isfinite(values)
        else:
            assert values.dtype == np.int64
            classes = set(range(len(spec.classes)))
            assert set(values[values >= 0]) <= classes, name
            # Six objects of six shapes are too rare to be expected among 300 images.
            assert name.startswith("num_") or set(values) >= classes, name
            present = values >= 0
        expected = ~without_pair if name.startswith("distance") else np.ones(300, bool)
        assert (present == expected).all(), name


@both_sizes
@with_counts
def test_count_is_the_index_of_the_number_of_objects_seen(variant: str, size: int):
    rendered, classes = scenes(variant, size), label_specs(variant, size)["count"].classes
    number = np.array([int(name) for name in classes])[rendered.labels["count"]]
    assert (rendered.patch_object.max(axis=(1, 2)) <= number).all()
    seen = np.array([len(np.unique(owners[owners > 0])) for owners in rendered.patch_object])
    # The smallest objects rarely own half a cell of 4 pixels; larger ones do.
    large = rendered.labels["size"] == 2
    assert (seen[large] == number[large]).mean() > (0.95 if variant == "textured" else 0.6)


@pytest.mark.parametrize("variant", ["factors", "mixed"])
def test_count_and_distance_are_those_of_the_rendered_objects(variant: str):
    # At this size an object spans many cells, so that its cells give its centre.
    size, rendered = 256, render(variant, 24, 256, seed=0, chunk=0)
    column, row = np.meshgrid(*[(np.arange(size // CELL) + 0.5) * CELL] * 2)
    for i, owners in enumerate(rendered.patch_object):
        weights = [rendered.patch_foreground[i] * (owners == k) for k in range(1, owners.max() + 1)]
        assert len(weights) == rendered.labels["count"][i] + 1
        centres = [np.array([(w * column).sum(), (w * row).sum()]) / w.sum() for w in weights]
        if len(centres) > 1:
            closest = min(np.linalg.norm(a - b) for a, b in combinations(centres, 2))
            assert closest == pytest.approx(rendered.labels["distance"][i], abs=2.0)


@both_sizes
@with_counts
def test_distance_bucket_holds_the_distance(variant: str, size: int):
    rendered, classes = scenes(variant, size), label_specs(variant, size)["distance_bucket"].classes
    edges = np.array([[float(edge) for edge in name.removesuffix(" pixels").split("-")] for name in classes])
    several = rendered.labels["distance_bucket"] >= 0
    low, high = edges[rendered.labels["distance_bucket"][several]].T
    distance = rendered.labels["distance"][several]
    assert ((distance >= low - 0.06) & (distance <= high + 0.06)).all()


def test_planted_distance_is_the_smallest_one_for_every_count():
    rng = np.random.default_rng(0)
    number, distance = rng.integers(1, 11, 400), rng.uniform(0.17, 0.26, 400)
    centres = sample_centres(rng, number, distance, 0.1, 0.9)
    assert (np.isfinite(centres[..., 0]).sum(1) == number).all()
    for points, k, planted in zip(centres, number, distance, strict=True):
        assert ((points[:k] >= 0.1) & (points[:k] <= 0.9)).all()
        if k > 1:
            smallest = min(np.linalg.norm(a - b) for a, b in combinations(points[:k], 2))
            assert smallest == pytest.approx(planted, rel=1e-6)


@every_flat_variant
def test_all_factors_are_uniform_and_pairwise_independent(variant: str):
    labels, specs = many_labels(variant), label_specs(variant, 32)
    codes = {name: labels[name] for name, spec in specs.items() if spec.kind != "real"}
    if variant == "single":
        codes |= {name: np.argsort(np.argsort(labels[name])) * 4 // len(labels[name]) for name in "xy"}
    for a, b in combinations(codes, 2):
        if {a, b} in DEPENDENT:
            continue
        present = (codes[a] >= 0) & (codes[b] >= 0)
        first = np.unique(codes[a][present], return_inverse=True)[1]
        second = np.unique(codes[b][present], return_inverse=True)[1]
        table = np.zeros((first.max() + 1, second.max() + 1))
        np.add.at(table, (first, second), 1)
        assert np.asarray(chi2_contingency(table)[1]).item() > 0.01 / NUM_PAIRS_TESTED, (a, b)
    for name in codes.keys() - {"num_shapes", "num_colours"}:
        share = np.bincount(codes[name][codes[name] >= 0]) / (codes[name] >= 0).sum()
        assert np.abs(share * len(share) - 1).max() < 0.15, name


@with_counts
def test_distance_does_not_depend_on_count_size_or_any_factor(variant: str):
    labels, specs = many_labels(variant), label_specs(variant, 32)
    several = np.isfinite(labels["distance"])
    for name in specs.keys() - {"distance", "distance_bucket", "foreground", "num_shapes", "num_colours"}:
        correlation = np.corrcoef(labels["distance"][several], labels[name][several])[0, 1]
        assert abs(correlation) < 0.05, name


@pytest.mark.parametrize(
    ("variant", "share_of_variance"), [("textured", 0.7), ("factors", 0.6), ("mixed", 0.65)]
)
def test_foreground_alone_leaves_much_of_count_open(variant: str, share_of_variance: float):
    labels = many_labels(variant)
    assert np.corrcoef(labels["foreground"], labels["count"])[0, 1] ** 2 < share_of_variance


@every_variant
@both_sizes
def test_foreground_is_the_mean_of_its_cells(variant: str, size: int):
    rendered = scenes(variant, size)
    cells = rendered.patch_foreground.mean(axis=(1, 2)) / 255
    np.testing.assert_allclose(cells, rendered.labels["foreground"], atol=1 / 255)


@every_variant
@both_sizes
def test_a_cell_has_an_owner_exactly_where_objects_cover_half_of_it(variant: str, size: int):
    rendered = scenes(variant, size)
    assert (rendered.patch_foreground[rendered.patch_object > 0] >= 127).all()
    assert (rendered.patch_foreground[rendered.patch_object == 0] <= 128).all()


@both_sizes
def test_x_and_y_are_the_centroid_of_the_foreground(size: int):
    rendered = scenes("single", size)
    centres, weight = (np.arange(size // CELL) + 0.5) * CELL, rendered.patch_foreground.astype(float)
    total = weight.sum(axis=(1, 2))
    np.testing.assert_allclose((weight.sum(1) * centres).sum(1) / total, rendered.labels["x"], atol=0.8)
    np.testing.assert_allclose((weight.sum(2) * centres).sum(1) / total, rendered.labels["y"], atol=0.8)


@every_flat_variant
def test_light_names_the_side_that_is_brighter(variant: str):
    rendered = render(variant, 600, 32, seed=5, chunk=0)
    grey = rendered.images.mean(3) * np.kron(rendered.patch_foreground == 0, np.ones((CELL, CELL)))
    count = np.kron(rendered.patch_foreground == 0, np.ones((CELL, CELL)))
    position = np.arange(32) - 15.5
    for direction in range(8):
        chosen = rendered.labels["light"] == direction
        mean = grey[chosen].sum(0) / count[chosen].sum(0)
        rise = np.array([(mean * position).sum(), (mean * position[:, None]).sum()])
        angle = np.arctan2(rise[1], rise[0]) - direction * np.pi / 4
        assert np.cos(angle) > np.cos(np.pi / 8)


def test_colour_names_what_the_inside_of_an_object_looks_like():
    rendered = render("factors", 300, 64, seed=2, chunk=0)
    inside = np.kron(rendered.patch_foreground == 255, np.ones((CELL, CELL), int))[..., None]
    whole = inside.any(axis=(1, 2, 3))
    paint = (rendered.images * inside).sum(axis=(1, 2))[whole]
    palette = np.array(list(COLOURS.values()), float)
    likeness = (paint / np.linalg.norm(paint, axis=1, keepdims=True)) @ (
        palette / np.linalg.norm(palette, axis=1, keepdims=True)
    ).T
    assert whole.sum() > 50
    assert (likeness.argmax(1) == rendered.labels["colour"][whole]).all()


@both_sizes
def test_background_orientation_is_the_direction_in_which_the_background_varies(size: int):
    rendered = scenes("textured", size)
    near = np.pad(rendered.patch_foreground, ((0, 0), (1, 1), (1, 1)))
    near = np.lib.stride_tricks.sliding_window_view(near, (3, 3), axis=(1, 2)).max(axis=(3, 4))
    clear = np.kron(near == 0, np.ones((CELL, CELL)))
    enough = clear.mean(axis=(1, 2)) > 0.4
    dy, dx = np.gradient(rendered.images[enough].mean(3), axis=(1, 2))
    clear = clear[enough]
    twice = np.arctan2((2 * dx * dy * clear).sum((1, 2)), ((dx**2 - dy**2) * clear).sum((1, 2)))
    expected = rendered.labels["background_orientation"][enough] * 2 * np.pi / len(ORIENTATIONS)
    assert enough.sum() > 50
    assert (np.cos(twice - expected) > np.cos(2 * np.radians(11.25))).mean() > 0.95


@every_flat_variant
def test_flips_and_crops_spare_only_the_labels_that_survive_them(variant: str):
    specs = label_specs(variant, 32)
    turned = {"orientation", "background_orientation", "rotation", "light", "x"}
    assert {name for name, spec in specs.items() if not spec.survives_flip} == turned & specs.keys()
    assert [name for name, spec in specs.items() if spec.survives_crop] == ["background"]


def test_ten_objects_need_64_pixels():
    assert len(label_specs("factors", 32)["count"].classes) == 6
    assert len(label_specs("factors", 64)["count"].classes) == 10


@pytest.mark.parametrize(
    ("variant", "num_images", "size", "complaint"),
    [("plain", 1, 32, "variant"), ("single", 1, 30, "image_size"), ("single", 0, 32, "num_images")],
)
def test_unfit_arguments_are_named(variant: str, num_images: int, size: int, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        render(variant, num_images, size, seed=0, chunk=0)
