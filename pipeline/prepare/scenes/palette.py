"""What scenes are painted with: the values of each factor, by name, and the strength of each effect."""

import numpy as np

COLOURS = {
    "red": (235, 30, 35),
    "orange": (255, 135, 0),
    "yellow": (255, 232, 40),
    "green": (60, 200, 60),
    "cyan": (0, 220, 225),
    "blue": (60, 110, 255),
    "purple": (190, 70, 225),
    "white": (250, 250, 250),
}
# Darker and greyer than any object, so that every pair of colours is told apart and all pairs can occur.
BACKGROUNDS = {
    "grey": (92, 92, 96),
    "charcoal": (50, 50, 56),
    "navy": (32, 42, 104),
    "teal": (20, 92, 92),
    "forest": (30, 88, 34),
    "olive": (98, 92, 26),
    "brown": (104, 62, 34),
    "plum": (88, 32, 82),
}
DIRECTIONS = tuple(f"{angle} degrees" for angle in range(0, 360, 45))
ORIENTATIONS = tuple(f"{angle:g} degrees" for angle in np.arange(8) * 22.5)
STEP = np.pi / len(ORIENTATIONS)
LEVELS = ("low", "middle", "high")
SIZES = ("small", "medium", "large")

# Wavelengths as fractions of the image: an object's highest frequency has 4.2 pixels per period at 32 pixels.
OBJECT_WAVELENGTHS = np.array([0.28, 0.19, 0.13])
BACKGROUND_WAVELENGTHS = np.array([0.60, 0.38, 0.24])
OBJECT_PAINT = (0.65, 0.35)
BACKGROUND_PAINT = (1.0, 0.5)
LIGHT_STRENGTH = 0.25
TEXTURED_TILT = 0.2
NUM_BUCKETS = 4
NOISE_SD = 4.0

# Of clevr_like. A lit solid is darker than its colour here.
CLEVR_COLOURS = {
    "gray": (130, 130, 130),
    "red": (205, 45, 45),
    "blue": (50, 85, 230),
    "green": (40, 140, 35),
    "brown": (150, 90, 40),
    "purple": (150, 50, 200),
    "cyan": (50, 215, 215),
    "yellow": (250, 225, 50),
}
GROUND = (180, 179, 177)
GROUND_EDGE = 0.55  # brightness far from the middle, of that in it
GROUND_POOL = 7.0  # scene units from the middle to half of the fall
SHADOW = 0.8  # a shadow leaves exp(-SHADOW) of the light
