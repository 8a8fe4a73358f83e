"""Claims about clevr_like: what rays see agrees with projected points, and labels with the geometry."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from pipeline.prepare import clevr
from pipeline.prepare.scenes import clevr_like, solids
from pipeline.prepare.scenes.clevr_like import GAP, REACH, Sampled, label_specs
from pipeline.prepare.scenes.drawing import stack
from pipeline.prepare.scenes.ground import paint_ground
from pipeline.prepare.scenes.render import render
from pipeline.prepare.scenes.solids import CUBE, CYLINDER, SOLIDS, SPHERE, TAN_X, TAN_Y, Solids, cast

both_sizes = pytest.mark.parametrize("size", [32, 64])
every_shape = pytest.mark.parametrize("shape", range(len(SOLIDS)), ids=SOLIDS)


@cache
def sampled(size: int, n: int = 400) -> Sampled:
    """What the chunk (0, 0) of n images shows."""
    return clevr_like.sample(np.random.default_rng([0, 0]), n, size)


@cache
def labels() -> dict[str, np.ndarray]:
    chunks = [render("clevr_like", 1000, 32, seed=1, chunk=chunk).labels for chunk in range(6)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def alone(shape: int, size: int, n: int = 40) -> tuple[Sampled, Solids]:
    """One solid of that shape in each of n images, in the middle of the ground, turned at random."""
    scene = sampled(size, n)
    rng, rows = np.random.default_rng(1), np.arange(n)
    radius = rng.uniform(0.35, 0.75, n)
    height = radius * solids.HALF_HEIGHTS[shape]
    centre = np.column_stack([rng.uniform(-1, 1, (n, 2)), height])
    white = np.full((n, 3), 255, np.float32)
    turn, kind = rng.uniform(0, 7, n), np.full(n, shape)
    return scene, Solids(rows, 0 * rows, centre, radius, turn, kind, white, np.zeros(n, np.float32))


def surface(shape: int) -> np.ndarray:
    """Points on a solid of radius 1 about the origin, its corners and rims among them."""
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    if shape == SPHERE:
        z = np.linspace(-1, 1, 101)[:, None]
        level = np.sqrt(1 - z**2)
        return np.stack([level * np.cos(angle), level * np.sin(angle), z + 0 * angle], -1).reshape(-1, 3)
    corners = np.pi / 4 + np.arange(4) * np.pi / 2
    around, half_height = (corners, np.sqrt(0.5)) if shape == CUBE else (angle, 1)
    rim = np.stack([np.cos(around), np.sin(around)], 1)
    return np.concatenate([np.column_stack([rim, np.full(len(rim), z)]) for z in (-half_height, half_height)])


def holds(shape: int, points: np.ndarray) -> np.ndarray:
    """Which points (..., 3) lie inside a solid of radius 1 about the origin."""
    if shape == SPHERE:
        return (points**2).sum(-1) < 1
    if shape == CUBE:
        return (np.abs(points) < np.sqrt(0.5)).all(-1)
    return ((points[..., :2] ** 2).sum(-1) < 1) & (np.abs(points[..., 2]) < 1)


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


@every_shape
def test_a_solid_covers_the_hull_of_its_projected_points(shape: int):
    size = 256
    scene, each = alone(shape, size)
    covered = cast(each, scene.cameras, scene.light, size).covered
    areas = np.bincount(covered.object_index, covered.alpha, minlength=len(each.scene))
    row, column = np.divmod(covered.pixel % size**2, size)
    for i, area in enumerate(areas):
        points = each.centre[i] + each.radius[i] * turned(surface(shape), each.turn[i])
        seen = scene.cameras.of(np.array([i])).project(points[None])[0]
        pixels = (seen[:, :2] / [TAN_X, -TAN_Y] + 1) * size / 2
        assert area == pytest.approx(ConvexHull(pixels).volume, rel=0.02)  # of a plane hull: its area
        mine = covered.object_index == i
        for places, along in ((column, pixels[:, 0]), (row, pixels[:, 1])):
            assert places[mine].min() == pytest.approx(along.min(), abs=1.5)
            assert places[mine].max() == pytest.approx(along.max() - 1, abs=1.5)


@every_shape
def test_a_solid_is_lighter_on_the_side_of_the_lamp(shape: int):
    scene, each = alone(shape, 128)
    seen = cast(each, scene.cameras, scene.light, 128)
    covered, n = seen.covered, len(each.scene)
    assert (seen.diffuse <= covered.alpha * 1.0001).all() and not seen.highlight.any()
    column = covered.pixel % 128
    even, lit = (
        np.bincount(covered.object_index, weight * column) / np.bincount(covered.object_index, weight)
        for weight in (covered.alpha, seen.diffuse)
    )
    to_lamp = np.einsum("ij,ij->i", scene.cameras.axes[:, 0], scene.light)
    assert len(even) == n and (np.abs(to_lamp) > 0.1).all()
    # A cube may show a face that is even more turned to the lamp on its other side; curved solids cannot.
    agrees = ((lit - even) * to_lamp > 0).mean()
    assert agrees == 1 if shape != CUBE else agrees > 0.8


@every_shape
def test_the_top_of_a_solid_is_lit_as_a_level_surface(shape: int):
    size, (scene, each) = 256, alone(shape, 256)
    seen = cast(each, scene.cameras, scene.light, size)
    top = scene.cameras.project(each.centre * [1, 1, 2])[:, :2]
    column, row = np.floor((top / [TAN_X, -TAN_Y] + 1) * size / 2).astype(int).T
    pixel = (each.scene * size + row) * size + column
    found, _, places = np.intersect1d(pixel, seen.covered.pixel, return_indices=True)
    level = solids.SKY + (1 - solids.SKY) * scene.light[:, 2]
    # Within a pixel a sphere's surface turns a little.
    assert len(found) == len(pixel)
    np.testing.assert_allclose(
        seen.diffuse[places] / seen.covered.alpha[places], level, atol=0.05 if shape == SPHERE else 1e-4
    )


def test_only_glossy_solids_have_highlights():
    scene, matte = alone(SPHERE, 64)
    glossy = cast(replace(matte, gloss=matte.gloss + 1), scene.cameras, scene.light, 64)
    assert glossy.highlight.max() > 0.9
    assert not cast(matte, scene.cameras, scene.light, 64).highlight.any()


def test_a_shadow_lies_on_the_side_away_from_the_lamp():
    size, (scene, each) = 128, alone(CYLINDER, 128)
    far_off = replace(each, centre=each.centre + np.array([-900.0, 900.0, 0.0]))
    bright, dark = (paint_ground(some, scene.cameras, scene.light, size)[..., 0] for some in (far_off, each))
    shadow = bright - dark
    assert shadow.min() > -0.01 and (shadow.max((1, 2)) > 30).all()
    column = (shadow.sum(1) * np.arange(size)).sum(1) / shadow.sum((1, 2))
    foot = scene.cameras.project(each.centre * [1, 1, 0])[:, 0]
    to_lamp = np.einsum("ij,ij->i", scene.cameras.axes[:, 0], scene.light)
    assert (((column + 0.5) / size * 2 - 1 - foot / TAN_X) * to_lamp < 0).all()


@both_sizes
def test_objects_stand_apart_on_the_ground(size: int):
    number, _, _, each = sampled(size)
    assert (np.bincount(each.scene) == number).all()
    assert (np.abs(each.centre[:, :2]) <= REACH).all()
    np.testing.assert_allclose(each.centre[:, 2], each.radius * solids.HALF_HEIGHTS[each.shape])
    for i in range(len(number)):
        mine = np.flatnonzero(each.scene == i)
        assert sorted(each.slot[mine]) == list(range(number[i]))
        for a, b in combinations(mine, 2):
            apart = np.linalg.norm(each.centre[a, :2] - each.centre[b, :2])
            assert apart > each.radius[a] + each.radius[b] + 0.99 * GAP


def test_what_hides_another_object_comes_first():
    _, cameras, _, each = sampled(64)
    hidden = 0
    for i in range(60):
        mine = np.flatnonzero(each.scene == i)
        for a in mine:
            # The line of sight to each of some points of a, from halfway to the point.
            points = (
                each.centre[a] + 0.999 * each.radius[a] * turned(surface(each.shape[a]), each.turn[a])[::97]
            )
            sight = np.linspace(0.5, 1, 150)[:, None, None]
            sight = cameras.position[i] + sight * (points - cameras.position[i])
            for b in mine[mine != a]:
                inside = turned((sight - each.centre[b]) / each.radius[b], -each.turn[b])
                if holds(each.shape[b], inside).any():
                    hidden += 1
                    assert each.slot[b] < each.slot[a]
    assert hidden > 20


@both_sizes
def test_most_of_each_object_is_seen(size: int):
    _, cameras, light, each = sampled(size)
    covered = cast(each, cameras, light, size).covered
    visible, _ = stack(each.slot, covered, 400 * size**2)
    whole, seen = (
        np.bincount(covered.object_index, share, minlength=len(each.scene))
        for share in (covered.alpha, visible)
    )
    assert (seen > (5 if size == 32 else 12)).all()  # pixels
    assert (seen / whole).min() > 0.45
    assert (seen / whole).mean() > 0.95


@both_sizes
def test_labels_are_those_of_the_geometry(size: int):
    rendered, (number, cameras, _, each) = render("clevr_like", 400, size, seed=0, chunk=0), sampled(size)
    classes = [int(name) for name in label_specs()["count_all"].classes]
    assert [classes[index] for index in rendered.labels["count_all"]] == number.tolist()
    for i, depth in enumerate(rendered.labels["closest_object_depth"]):
        target = clevr_like.TARGET - cameras.position[i]
        offsets = each.centre[each.scene == i] - cameras.position[i]
        assert depth == pytest.approx((offsets @ target).min() / np.linalg.norm(target), rel=1e-5)


def test_classes_of_the_distance_are_vtabs():
    depth, edges = labels()["closest_object_depth"], np.array([0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0])
    held = labels()["closest_object_distance"]
    assert ((edges[held] < depth) & (depth <= edges[held + 1])).all()
    assert label_specs()["closest_object_distance"] == clevr.LABELS["closest_object_distance"]


def test_classes_are_filled_alike():
    counts, distances = (
        np.bincount(labels()[name], minlength=len(label_specs()[name].classes)) / 6000
        for name in ("count_all", "closest_object_distance")
    )
    assert np.abs(counts * 8 - 1).max() < 0.15
    assert distances.min() > 0.05 and distances.max() < 0.35


def test_count_leaves_much_of_depth_and_area_open_and_is_not_independent_of_them():
    count, depth, area = (labels()[name] for name in ("count_all", "closest_object_depth", "foreground"))
    assert -0.5 < np.corrcoef(count, depth)[0, 1] < -0.3
    assert 0.25 < np.corrcoef(count, area)[0, 1] ** 2 < 0.6


def test_flips_spare_all_labels_and_crops_none():
    assert all(spec.survives_flip and not spec.survives_crop for spec in label_specs().values())


@both_sizes
def test_cells_name_objects_of_the_image(size: int):
    rendered = render("clevr_like", 400, size, seed=0, chunk=0)
    number = rendered.labels["count_all"] + 3
    assert (rendered.patch_object.max(axis=(1, 2)) <= number).all()
    seen = np.array([len(np.unique(owners[owners > 0])) for owners in rendered.patch_object])
    assert (seen / number).mean() > (0.5 if size == 32 else 0.8)
