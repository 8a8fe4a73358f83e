"""One short script per DVC stage: read params and inputs, call the library, write outputs."""

import pipeline  # noqa: F401  # what it does first for `python -m`
