"""Requests of a set, over the defaults of params.yaml."""

from pathlib import Path

from conftest import default_tree

from pipeline.params import DataParams
from pipeline.prepare.source import Request


def make_request(
    name: str, path: Path | None, image_size: int, downloads: Path = Path("downloads"), **changes: object
) -> Request:
    """`changes` are of the section `data`."""
    tree = default_tree()["data"] | {"name": name, "root": path, "image_size": image_size} | changes
    return Request(name, path, DataParams.model_validate(tree), downloads, key="data.root")
