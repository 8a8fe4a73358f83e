"""The README and docs/ name only what exists, and their numbers are those of the committed results."""

import re
import shlex
import subprocess
import sys

import pytest
import yaml
from conftest import REPOSITORY, default_tree, override

from benchmarks import readme
from pipeline.params import Params

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
TEXT = {page.relative_to(REPOSITORY).as_posix(): page.read_text() for page in PAGES}
MARKED = re.compile(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", re.DOTALL)
DURATION = re.compile(r"\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten) (seconds|minutes|hours)\b")


def matches(pattern: str) -> list[tuple[str, str]]:
    """Every page with every match of the pattern's group."""
    return [(page, match) for page, text in TEXT.items() for match in re.findall(pattern, text)]


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = matches(r"(?:`|\n {4})make ([a-z-]+)")
    assert {"repro", "test"} <= {target for _, target in named}
    assert [target for target in named if target[1] not in targets] == []


def test_make_help_says_of_every_target_what_it_does():
    makefile = (REPOSITORY / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    listed = re.findall(r"^  make ([a-z-]+) +\S", done.stdout, re.MULTILINE)
    assert listed == sorted(phony[0].split())


def test_modules_exist():
    named = matches(r"python -m ([a-z_]+(?:\.[a-z_]+)*)")
    missing = []
    for page, module in named:
        path = REPOSITORY / module.replace(".", "/")
        if not (path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()):
            missing.append((page, module))
    assert named and missing == []


def test_overrides_are_params_of_the_right_type():
    found = matches(r"(?:-S|--set) ([a-z_.]+=[^\s<`]+)(?=[\s`])")
    named = [match for match in found if not match[1].startswith("section.key=")]
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
    links = matches(r"\]\((?!https?:)([^)#]+)\)")
    for page, link in links:
        assert ((REPOSITORY / page).parent / link).exists(), (page, link)
    for page, path in matches(r"`((?:pipeline|stages|tests|benchmarks|presets|docs)/[a-z0-9_/.-]+)`"):
        assert (REPOSITORY / path).exists(), (page, path)


def test_named_tests_exist():
    texts = [file.read_text() for file in (REPOSITORY / "tests").rglob("test_*.py")]
    tests = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    named = matches(r"`(test_\w+)`")
    assert named and [name for name in named if name[1] not in tests] == []


def test_presets_of_the_table_are_those_of_the_folder():
    section = TEXT["docs/orchestration.md"].partition("## Presets")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE)
    assert sorted(listed) == sorted(preset.stem for preset in (REPOSITORY / "presets").glob("*.yaml"))


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


def test_the_readmes_numbers_are_those_of_the_committed_results():
    """Where this fails: `make readme`."""
    text = TEXT["README.md"]
    assert readme.fill(text) == text
    assert set(readme.BLOCKS) == set(MARKED.findall(text))


def test_a_changed_number_is_written_anew_and_a_missing_mark_is_named():
    text = TEXT["README.md"]
    changed = re.sub(r"\d+\.\d %", "99.9 %", text)
    assert changed != text and readme.fill(changed) == text
    with pytest.raises(ValueError, match="results:end"):
        readme.fill(text.replace("<!-- results:end -->", ""))


def test_no_duration_is_written_by_hand():
    """A time depends on the machine, so it stands where its machine stands: in the marked blocks."""
    pages = {"README.md": MARKED.sub("", TEXT["README.md"])}
    pages |= {path.name: path.read_text() for path in (REPOSITORY / "presets").glob("*.yaml")}
    assert [name for name, text in pages.items() if DURATION.search(text)] == []


def test_the_readme_is_short():
    words = [word for word in TEXT["README.md"].split() if re.search(r"\w", word)]
    prose = [line for line in TEXT["README.md"].splitlines() if not line.startswith("|")]
    assert len(words) < 900
    assert [line for line in prose if len(line) > 115] == []


@pytest.mark.parametrize("page", TEXT)
def test_pages_are_short_enough_to_be_read(page):
    assert len(TEXT[page].splitlines()) <= 300
