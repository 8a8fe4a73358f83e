"""What mkdocs.yml needs beside it: README.md as the first page, and pages made of the docstrings."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def rooms() -> list[str]:
    """The rooms of pipeline/, by name."""
    return sorted(path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py"))


def modules(room: str) -> list[str]:
    """The modules of a room that have something to show, dotted."""
    files = sorted((ROOT / "pipeline" / room).rglob("*.py"))
    dotted = [file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for file in files]
    return [name.removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def on_config(config: Any) -> Any:
    """Put a page per room behind the written pages."""
    config.nav.append({"Code": [{room: f"code/{room}.md"} for room in rooms()]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the first page and the pages of the rooms."""
    files.append(File.generated(config, "index.md", content=(ROOT / "README.md").read_text()))
    for room in rooms():
        entries = "\n".join(f"::: {module}\n" for module in modules(room))
        text = f"# pipeline.{room}\n\n{entries}"
        files.append(File.generated(config, f"code/{room}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Links that leave docs/ have no page: their text stays."""
    here = "README.md" if page.file.src_uri == "index.md" else f"docs/{page.file.src_uri}"

    def shown(link: re.Match[str]) -> str:
        image, text, target = link.groups()
        path, _, anchor = target.partition("#")
        if not path or "://" in target:
            return link[0]
        inside = (ROOT / here).parent.joinpath(path).resolve()
        docs = ROOT / "docs"
        if not inside.is_relative_to(docs):
            return "" if image else text
        uri = inside.relative_to(docs).as_posix()
        if files.get_file_from_path(uri) is None:
            return text
        return f"{image}[{text}]({uri}{'#' + anchor if anchor else ''})"

    return markdown if page.file.src_uri.startswith("code/") else LINK.sub(shown, markdown)
