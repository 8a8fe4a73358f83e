"""Generated scenes: labelled images of simple objects whose factors are independent of each other.

Four variants are flat and drawn here. `textured` (the default): a few large objects that share shape,
colour, size and a grating, over a grating background; what is visible predicts what is hidden, so a JEPA can
learn it. `factors`: small objects, all alike. `mixed`: small objects, each with its own shape and colour.
`single`: one object, with its position and its rotation. The fifth, `clevr_like`, shows solids in perspective
and has no independent factors: its module draws it.

Legend: n images, g = image_size // CELL cells on a side, M objects of all images.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pipeline.data.labels import Label
from pipeline.data.store import CELL
from pipeline.params.registry import VARIANTS
from pipeline.prepare.scenes import clevr_like
from pipeline.prepare.scenes.drawing import (
    add_noise,
    add_objects,
    cell_masks,
    gratings,
    plane_waves,
    shine,
    stack,
)
from pipeline.prepare.scenes.layout import sample_centres
from pipeline.prepare.scenes.palette import (
    BACKGROUND_PAINT,
    BACKGROUND_WAVELENGTHS,
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    LEVELS,
    LIGHT_STRENGTH,
    NOISE_SD,
    NUM_BUCKETS,
    OBJECT_PAINT,
    OBJECT_WAVELENGTHS,
    ORIENTATIONS,
    SIZES,
    STEP,
    TEXTURED_TILT,
)
from pipeline.prepare.scenes.rendered import Scenes
from pipeline.prepare.scenes.shapes import SHAPES, Objects, cover


@dataclass(frozen=True)
class Geometry:
    """What a variant leaves open at a given size; lengths are fractions of the image's side.

    radii: of the three sizes. distances: range of the smallest distance between centres, the same for every
    count. margin: how near to the image's edge a centre may come. radius_jitter: relative, half the range;
    without it the area covered takes a few values, each of one count, size and shape.
    """

    max_objects: int
    radii: tuple[float, float, float]
    distances: tuple[float, float]
    margin: float
    radius_jitter: float = 0.05


def check(variant: str, image_size: int) -> None:
    """Raises ValueError on an unknown variant or an unfit size."""
    if variant not in VARIANTS:
        raise ValueError(f"scenes variant: must be one of {', '.join(VARIANTS)}, got {variant!r}")
    if image_size < 32 or image_size % CELL:
        raise ValueError(f"scenes image_size: must be a multiple of {CELL} and >= 32, got {image_size}")


def geometry(variant: str, image_size: int) -> Geometry:
    """The counts and lengths of a flat variant."""
    if variant == "textured":
        return Geometry(3, radii=(0.15, 0.195, 0.25), distances=(0.38, 0.58), margin=0.14)
    if variant == "single":
        return Geometry(1, radii=(0.14, 0.19, 0.24), distances=(0.0, 0.0), margin=0.3)
    # Ten objects need more pixels than 32 x 32 has: there they are six, and larger for their image.
    up_to_six = Geometry(6, radii=(0.06, 0.085, 0.11), distances=(0.245, 0.345), margin=0.13)
    up_to_ten = Geometry(10, radii=(0.046, 0.061, 0.076), distances=(0.17, 0.26), margin=0.1)
    chosen = up_to_six if image_size < 64 else up_to_ten
    return replace(chosen, radius_jitter=0.12) if variant == "mixed" else chosen


def label_specs(variant: str, image_size: int) -> dict[str, Label]:
    """The labels of a variant in the order of `Scenes.labels`. Raises ValueError as `check` does.

    A crop changes what is seen of the objects and every length and angle in pixels: only the background's
    colour survives it. A mirrored image keeps all but directions and the horizontal position. `single` has no
    count and no distance; `mixed`, whose objects differ, has no shape and no colour. Its size is the scene's
    scale, from which each object's own radius departs by at most 12 %. Directions and orientations are
    counted from the right clockwise; an orientation is the direction across the stripes.
    """
    check(variant, image_size)
    if variant == "clevr_like":
        return clevr_like.label_specs()
    form = geometry(variant, image_size)
    objects = Label("categorical", survives_crop=False)
    direction = replace(objects, survives_flip=False)
    length = Label("real", unit="pixels", survives_crop=False)
    shape, colour = replace(objects, classes=SHAPES), replace(objects, classes=tuple(COLOURS))
    counts = tuple(str(number) for number in range(1, form.max_objects + 1))
    count = Label("count", counts, survives_crop=False)
    low, high = (edge * image_size for edge in form.distances)
    edges = np.linspace(low, high, NUM_BUCKETS + 1)
    buckets = tuple(f"{a:.1f}-{b:.1f} pixels" for a, b in pairwise(edges))

    specs = {} if variant == "single" else {"count": count}
    if variant == "mixed":
        # Each object has its own shape and colour: what an image has is how many different ones.
        specs |= {"num_shapes": replace(count, classes=counts[: len(SHAPES)])}
        specs |= {"num_colours": replace(count, classes=counts[: len(COLOURS)])}
    else:
        specs |= {"shape": shape, "colour": colour}
    specs |= {"size": replace(objects, classes=SIZES)}
    if variant == "textured":
        specs |= {
            "orientation": replace(direction, classes=ORIENTATIONS),
            "frequency": replace(objects, classes=LEVELS),
            "background_orientation": replace(direction, classes=ORIENTATIONS),
            "background_frequency": replace(objects, classes=LEVELS),
        }
    if variant == "single":
        specs |= {
            "rotation": replace(direction, classes=DIRECTIONS),
            "x": replace(length, survives_flip=False),
            "y": length,
        }
    else:
        specs |= {"distance": length, "distance_bucket": replace(objects, classes=buckets)}
    specs |= {
        "foreground": Label("real", unit="fraction", survives_crop=False),
        "background": Label("categorical", tuple(BACKGROUNDS)),
        "light": replace(direction, classes=DIRECTIONS),
    }
    return specs


def render(variant: str, num_images: int, image_size: int, seed: int, chunk: int) -> Scenes:
    """Chunk number `chunk` of a set of generated scenes, `num_images` of them.

    All randomness comes from (seed, chunk): chunks can be drawn in any order by any process, and the same
    arguments give the same bits. Every label is uniform and independent of every other, except: distance and
    distance_bucket (the same quantity, absent where there is one object); foreground (which grows with count
    and size: the baseline that a claim about count has to beat); num_shapes and num_colours (at most count).
    Of the labels of clevr_like, clevr_like.render says what depends on what.

    Raises ValueError on an unknown variant, an unfit image_size or a num_images below 1.
    """
    check(variant, image_size)
    if num_images < 1:
        raise ValueError(f"scenes num_images: must be >= 1, got {num_images}")
    if variant == "clevr_like":
        return clevr_like.render(num_images, image_size, seed, chunk)
    form = geometry(variant, image_size)
    specs = label_specs(variant, image_size)
    rng = np.random.default_rng([seed, chunk])
    values = _draw_factors(rng, specs, form, num_images, image_size)
    objects = _make_objects(rng, variant, form, values, image_size)

    covered = cover(objects, image_size)
    visible, uncovered = stack(objects.slot, covered, num_images * image_size**2)
    images = _paint_backgrounds(rng, variant, values, image_size)
    images *= uncovered.reshape(images.shape[:3])[..., None]
    add_objects(images, objects, covered, visible, OBJECT_PAINT)
    shine(images, values["light"], len(DIRECTIONS), LIGHT_STRENGTH)
    add_noise(rng, images, NOISE_SD)

    values["foreground"] = 1 - uncovered.reshape(num_images, -1).mean(1)
    labels = {
        name: values[name].astype(np.float32 if spec.kind == "real" else np.int64)
        for name, spec in specs.items()
    }
    images = np.clip(images, 0, 255, out=images).astype(np.uint8)
    masks = cell_masks(objects.slot, covered, visible, (num_images, image_size), CELL, form.max_objects)
    return Scenes(images, labels, *masks)


def _draw_factors(
    rng: np.random.Generator, specs: dict[str, Label], form: Geometry, num_images: int, image_size: int
) -> dict[str, np.ndarray]:
    """The labels that are drawn before anything is placed; count is an index (one less than the number)."""
    derived = ("distance_bucket", "num_shapes", "num_colours")
    values = {
        name: rng.integers(len(spec.classes), size=num_images)
        for name, spec in specs.items()
        if spec.kind != "real" and name not in derived
    }
    if "distance" in specs:
        low, high = form.distances
        position = rng.random(num_images)
        without_pair = values["count"] == 0
        values["distance"] = np.where(without_pair, np.nan, (low + (high - low) * position) * image_size)
        values["distance_bucket"] = np.where(without_pair, -1, position * NUM_BUCKETS)
    return values


def _make_objects(
    rng: np.random.Generator, variant: str, form: Geometry, values: dict[str, np.ndarray], image_size: int
) -> Objects:
    """All objects of the chunk; adds to values the labels that are read off them."""
    n = len(values["size"])
    number = values["count"] + 1 if "count" in values else np.ones(n, np.int64)
    distance = values["distance"] / image_size if "distance" in values else np.zeros(n)
    centres = sample_centres(rng, number, distance, form.margin, 1 - form.margin) * image_size
    slot, scene = np.nonzero(np.arange(form.max_objects)[:, None] < number)
    x, y = centres[scene, slot].T

    radius = np.array(form.radii)[values["size"][scene]] * image_size
    jitter = rng.uniform(-1, 1, (form.max_objects, n))
    # Objects of a scene are alike in everything, save where each is its own.
    radius *= 1 + form.radius_jitter * (jitter[slot, scene] if variant == "mixed" else jitter[0, scene])
    if variant == "mixed":
        shape, colour = (rng.integers(len(kinds), size=len(scene)) for kinds in (SHAPES, COLOURS))
        values["num_shapes"] = _num_distinct(scene, shape, n) - 1
        values["num_colours"] = _num_distinct(scene, colour, n) - 1
    else:
        shape, colour = values["shape"][scene], values["colour"][scene]

    wave = None
    if variant == "textured":
        rotation = TEXTURED_TILT * rng.uniform(-1, 1, len(scene))
        angle, wavelength = values["orientation"] * STEP, OBJECT_WAVELENGTHS[values["frequency"]] * image_size
        wave = gratings(rng, angle[scene], wavelength[scene])
    elif variant == "single":
        values["x"], values["y"] = x, y
        rotation = values["rotation"] * (2 * np.pi / len(DIRECTIONS))
        # A quarter period to either side of the centre: brightest at the edge that the object faces.
        wave = np.stack([np.cos(rotation), np.sin(rotation)], 1) * (np.pi / 2 / radius)[:, None]
        wave = np.column_stack([wave, -(wave[:, 0] * x + wave[:, 1] * y)])
    else:
        rotation = rng.uniform(0, 2 * np.pi, len(scene))
    paint = np.array(list(COLOURS.values()), np.float32)[colour]
    return Objects(scene, slot, x, y, radius, rotation, shape, paint, wave)


def _num_distinct(scene: np.ndarray, kind: np.ndarray, num_scenes: int) -> np.ndarray:
    seen = np.zeros((num_scenes, kind.max() + 1), bool)
    seen[scene, kind] = True
    return seen.sum(1)


def _paint_backgrounds(
    rng: np.random.Generator, variant: str, values: dict[str, np.ndarray], image_size: int
) -> np.ndarray:
    """(n, size, size, 3) float32, without objects."""
    colour = np.array(list(BACKGROUNDS.values()), np.float32)[values["background"]][:, None, None]
    n = len(colour)
    if variant != "textured":
        return np.broadcast_to(colour, (n, image_size, image_size, 3)).copy()
    angle = values["background_orientation"] * STEP
    wave = gratings(rng, angle, BACKGROUND_WAVELENGTHS[values["background_frequency"]] * image_size)
    mean, contrast = BACKGROUND_PAINT
    brightness = mean + contrast * plane_waves(wave, image_size)
    return colour * brightness[..., None]
