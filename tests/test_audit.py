"""`make audit`: what is weak fails, what could not be looked up is said, and no network is no failure."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

WEAK = {
    "name": "weak",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}, {"id": "PYSEC-2", "fix_versions": []}],
}
SOUND = {"name": "sound", "version": "2.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


def audit(
    folder: Path, packages: list[object] | None, error: str = "", status: int = 0
) -> "tuple[int, list[str]]":
    """Exit status and lines, where pip-audit finds this."""
    text = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    fake = folder / "uv"
    fake.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        f"text = {text!r}\n"
        "if text: pathlib.Path(sys.argv[sys.argv.index('--output') + 1]).write_text(text)\n"
        f"sys.stderr.write({error!r})\nsys.exit({status})\n"
    )
    fake.chmod(0o755)
    done = subprocess.run(
        [sys.executable, ".ci/audit.py", "requirements.txt"],
        cwd=REPOSITORY,
        env=os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_a_weak_package_fails_and_is_named_with_the_version_that_is_not(tmp_path):
    status, lines = audit(tmp_path, [WEAK, SOUND], "Found 2 known vulnerabilities", 1)
    assert status == 1 and lines == [
        "audit: weak 1.0: PYSEC-1, fixed in 1.1",
        "audit: weak 1.0: PYSEC-2, fixed in no version",
        "audit: 2 of 2 packages looked up, 1 with weaknesses",
    ]


def test_packages_that_were_not_looked_up_are_not_called_sound(tmp_path):
    status, lines = audit(tmp_path, [SOUND, UNKNOWN])
    assert status == 0 and lines == [
        "audit: 1 of 2 packages looked up, 0 with weaknesses",
        "audit: not looked up: unknown",
    ]


@pytest.mark.parametrize(
    "error",
    [
        "requests.exceptions.ProxyError: Unable to connect to proxy",
        "error: Could not connect, are you offline?",
        "urllib3: Failed to resolve 'pypi.org'",
        "ReadTimeout: pypi.org: Read timed out.",
    ],
)
def test_without_network_it_says_so_and_does_not_fail(tmp_path, error):
    status, (line,) = audit(tmp_path, None, f"Traceback\n{error}\n", 1)
    assert status == 0 and line == f"audit: skipped, there is no network: {error}"


def test_any_other_failure_fails(tmp_path):
    status, (line,) = audit(tmp_path, None, "ERROR: requirements.txt: invalid\n", 1)
    assert status == 1 and line == "audit: failed: ERROR: requirements.txt: invalid"
