"""The README and docs/ name only what exists: targets, modules, params, files, presets."""

import json
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from conftest import REPOSITORY, default_tree, override

from pipeline.params import Params

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
TEXT = {page.relative_to(REPOSITORY).as_posix(): page.read_text() for page in PAGES}


def found(pattern: str) -> list[tuple[str, str]]:
    return [(page, hit) for page, text in TEXT.items() for hit in re.findall(pattern, text)]


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = found(r"(?:`|\n {4})make ([a-z-]+)")
    assert {"repro", "test"} <= {target for _, target in named}
    assert [hit for hit in named if hit[1] not in targets] == []


def test_modules_exist():
    named = found(r"python -m ([a-z_]+(?:\.[a-z_]+)*)")
    missing = []
    for page, module in named:
        path = REPOSITORY / module.replace(".", "/")
        if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()):
            missing.append((page, module))
    assert named and missing == []


def test_overrides_are_params_of_the_right_type():
    named = found(r"-S ([a-z_.]+=[^\s<]+)(?=[\s`])")
    assert named
    for _, flag in named:
        key, value = flag.split("=", 1)
        changes = {key: value}
        if key == "data.root":
            changes["data.name"] = "folder"
        if key == "data.name":
            changes["data.root"] = "anywhere"
        Params.model_validate(override(default_tree(), changes))


def test_linked_and_named_files_exist():
    links = found(r"\]\((?!https?:)([^)#]+)\)")
    for page, link in links:
        assert ((REPOSITORY / page).parent / link).exists(), (page, link)
    for page, path in found(r"`((?:pipeline|stages|tests|benchmarks|presets|docs)/[a-z0-9_/.-]+)`"):
        assert (REPOSITORY / path).exists(), (page, path)


def test_every_preset_is_valid_and_is_printed_as_flags():
    presets = sorted((REPOSITORY / "presets").glob("*.yaml"))
    assert {"smoke", "default", "cifar10-folder", "paper-cifar100", "cifar100-strong"} <= {
        preset.stem for preset in presets
    }
    for preset in presets:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", "preset", preset.stem],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
        words = shlex.split(done.stdout)
        assert done.returncode == 0 and words[0::2] == ["-S"] * len(words[0::2])
        changes: dict[str, object] = {}
        for word in words[1::2]:
            key, value = word.split("=", 1)
            changes[key] = yaml.safe_load(value)
        if changes.get("data.name") == "folder":
            changes["data.root"] = "anywhere"
        Params.model_validate(override(default_tree(), changes))


def test_an_unknown_preset_is_one_line_that_names_the_known_ones():
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "preset", "huge"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: preset huge: not found; there are ") and "smoke" in done.stderr


def test_the_readmes_table_is_that_of_the_committed_metrics():
    scores = json.loads((REPOSITORY / "reports/metrics/probe.json").read_text())
    rows = re.findall(
        r"^\| ([a-z ]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", TEXT["README.md"], re.MULTILINE
    )
    views = ("encoder", "random_init", "pixels_pca")
    expected = {
        label.replace("_", " "): [f"{100 * found[view]['accuracy']:.1f}" for view in views]
        for label, found in scores["scenes"].items()
        if "accuracy" in found.get("encoder", {})
    }
    means = scores["summary"]["scenes"]["mean_accuracy"]
    expected["mean"] = [f"{100 * means[view]:.1f}" for view in views]
    assert {label: list(values) for label, *values in rows} == expected


@pytest.mark.parametrize("page", TEXT)
def test_pages_are_short_enough_to_be_read(page):
    assert len(TEXT[page].splitlines()) < 200
