"""The project can be installed: its wheel holds every module and template, and says its licence."""

import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
import yaml
from conftest import REPOSITORY


def test_the_wheel_holds_every_module_and_template(tmp_path):
    pytest.importorskip("setuptools")
    names = ("pyproject.toml", "README.md", "LICENSE")
    for name in names:
        shutil.copy(REPOSITORY / name, tmp_path)
    for folder in ("pipeline", "stages"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wheel = zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1])
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("pipeline", "stages")
        for pattern in ("*.py", "*.j2")
        for path in (REPOSITORY / folder).rglob(pattern)
    }
    assert shipped == expected
    [metadata] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    assert "License-Expression: Apache-2.0" in wheel.read(metadata).decode()


def test_the_citation_names_the_packages_version_and_licence():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
