"""What the labels of generated scenes are, and why each is hard or easy to read from features."""

from collections.abc import Iterable
from typing import NamedTuple

SCENES = "scenes"  # the set that these words are about


class AboutLabel(NamedTuple):
    """Words about one label."""

    name: str
    meaning: str
    difficulty: str


ABOUT = (
    AboutLabel(
        "count",
        "How many objects there are, 1 to 3 in the default scenes.",
        "Medium. More objects cover more of the image, so pixels help too. The view “foreground area” shows "
        "how far that alone leads.",
    ),
    AboutLabel(
        "shape",
        "Disc, square, triangle, cross, ring or diamond; all objects of a scene have the same.",
        "Hard. An outline takes a few pixels at this size, and stripes run across it.",
    ),
    AboutLabel(
        "colour",
        "One of eight colours; all objects of a scene have the same.",
        "Easy. A patch inside an object shows it, and even the mean colour of the image tells much.",
    ),
    AboutLabel(
        "size",
        "Small, medium or large; all objects of a scene have the same.",
        "Medium. It must be told apart from the number of objects, which changes the covered area as well.",
    ),
    AboutLabel(
        "orientation",
        "The direction of the stripes on the objects, eight in steps of 22.5 degrees.",
        "Hard. An object shows only a few stripes.",
    ),
    AboutLabel(
        "frequency",
        "How fine the stripes on the objects are: low, middle or high.",
        "Hard. The finest stripes are about four pixels wide in an image of 32 pixels.",
    ),
    AboutLabel(
        "background_orientation",
        "The direction of the stripes on the background, eight in steps of 22.5 degrees.",
        "Easy for an encoder: the stripes fill the image, so hidden patches can be foretold from seen ones. "
        "Hard for raw pixels: the stripes begin anywhere, so no single pixel tells the direction.",
    ),
    AboutLabel(
        "background_frequency",
        "How fine the stripes on the background are: low, middle or high.",
        "Easy for an encoder and hard for raw pixels, for the same reasons.",
    ),
    AboutLabel(
        "distance",
        "The distance between the two objects that are closest, in pixels; none where there is one object.",
        "Hard. It lies between patches: no patch shows it, and a mean over patches loses places.",
    ),
    AboutLabel(
        "distance_bucket",
        "The same distance cut into four classes.",
        "Hard, for the same reason.",
    ),
    AboutLabel(
        "foreground",
        "The share of the image that objects cover. It follows from number and size, so it is no factor "
        "of its own.",
        "Easy. A mean over patches is close to it.",
    ),
    AboutLabel(
        "background",
        "The colour of the background, one of eight.",
        "Very easy. Most patches show it; raw pixels tell it nearly always.",
    ),
    AboutLabel(
        "light",
        "The direction in which the whole image grows brighter, one of eight.",
        "Easy for raw pixels, which see the slow ramp at once. Hard for an encoder that is trained to "
        "foretell one patch from its neighbours, and hardly needs the ramp for it.",
    ),
    AboutLabel(
        "num_shapes",
        "How many different shapes there are; only in scenes whose objects differ.",
        "Hard. Objects must be told apart and compared.",
    ),
    AboutLabel(
        "num_colours",
        "How many different colours the objects have; only in scenes whose objects differ.",
        "Medium. Colours can be read from patches, but they have to be counted.",
    ),
    AboutLabel(
        "rotation",
        "The direction that the object faces, one of eight; only in scenes of one object.",
        "Medium. The object is brightest at the edge that it faces.",
    ),
    AboutLabel(
        "x",
        "How far right the object lies, in pixels; only in scenes of one object.",
        "Hard. A mean over patches loses places, unless features of a patch say where it lies.",
    ),
    AboutLabel("y", "How far down the object lies, in pixels.", "Hard, for the same reason."),
    AboutLabel(
        "count_all",
        "How many objects there are, 3 to 10; only in scenes that look like CLEVR.",
        "Medium. More objects cover more of the image, but near ones and large ones do so too.",
    ),
    AboutLabel(
        "closest_object_distance",
        "How far the nearest object is from the camera, in the six classes of VTAB.",
        "Hard. Near objects are large and low in the image, and a mean over patches loses places.",
    ),
    AboutLabel(
        "closest_object_depth",
        "The same depth as a number, in CLEVR's units of length.",
        "Hard, for the same reason.",
    ),
    AboutLabel(
        "patch_object",
        "Of a single patch: whether objects cover more than half of it.",
        "Easy. The patch itself shows it.",
    ),
    AboutLabel(
        "patch_foreground",
        "Of a single patch: the share of it that objects cover.",
        "Medium. The edge of the object must be seen.",
    ),
)


def about_labels(name: str, labels: Iterable[str]) -> tuple[AboutLabel, ...]:
    """The words about those labels of a set; none where the set is not of generated scenes."""
    known = set(labels) if name == SCENES else set()
    return tuple(about for about in ABOUT if about.name in known)
