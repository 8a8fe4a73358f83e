"""How many scenes one core draws a second, by variant and size.

python -m benchmarks.scenes
"""

import argparse
import time

from pipeline.prepare.scenes.render import VARIANTS, render

NUM_IMAGES = 1000
SIZES = (32, 64)
REPEATS = 5


def images_per_second(variant: str, size: int) -> float:
    """The best rate of REPEATS chunks of NUM_IMAGES, after one that is not counted. numpy uses one thread."""
    render(variant, NUM_IMAGES, size, seed=0, chunk=0)
    seconds = []
    for chunk in range(1, REPEATS + 1):
        start = time.perf_counter()
        render(variant, NUM_IMAGES, size, seed=0, chunk=chunk)
        seconds.append(time.perf_counter() - start)
    return NUM_IMAGES / min(seconds)


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    print(f"images/s, best of {REPEATS} chunks of {NUM_IMAGES}")
    print(f"{'variant':<10}" + "".join(f"{f'{size} px':>10}" for size in SIZES))
    for variant in VARIANTS:
        print(f"{variant:<10}" + "".join(f"{images_per_second(variant, size):>10,.0f}" for size in SIZES))


if __name__ == "__main__":
    main()
