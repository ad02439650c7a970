"""Hooks of MkDocs (mkdocs.yml): examples lie beside docs/, so each becomes a page; lists begin as on GitHub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"
LANGUAGES = {".yml": "yaml"}
"""The language of a suffix that does not name it."""
BEGINS = re.compile(r"- |\d+\. |\|")
GOES_ON = re.compile(r"- |\d+\. |\||  ")


def on_files(files: Any, *, config: Any) -> Any:
    """Add a page for each example. Any: MkDocs is installed for `make docs` only."""
    from mkdocs.structure.files import File

    for path in sorted(EXAMPLES.glob("*.*")):
        language = LANGUAGES.get(path.suffix, path.suffix[1:])
        text = f"# {path.name}\n\n```{language}\n{path.read_text(encoding='utf-8')}```\n"
        files.append(File.generated(config, f"examples/{path.name}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to examples lead to their pages; see `spaced`."""
    for path in EXAMPLES.glob("*.*"):
        markdown = markdown.replace(f"](../examples/{path.name})", f"](examples/{path.name}.md)")
    return spaced(markdown)


def spaced(markdown: str) -> str:
    """The page with a blank line before each list and table, which MkDocs needs and GitHub does not."""
    lines: list[str] = []
    is_code = False
    for line in markdown.splitlines():
        before = lines[-1] if lines else ""
        is_code ^= line.lstrip().startswith("```")
        if not is_code and BEGINS.match(line) and before.strip() and not GOES_ON.match(before):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)
