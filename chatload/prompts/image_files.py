"""Images in a file of conversations, from parts of messages or from keys of their own, as URLs that can be sent."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from chatload.files.columns import plain
from chatload.files.reading import MB, quoted, read_input
from chatload.model.errors import UsageError
from chatload.prompts.messages import MessageMistake, is_image

KEYS = ("image", "images", "image_url", "image_urls")
"""Keys of images of a prompt."""
MOST_BYTES = 32 * MB
MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
"""First bytes of the files that servers accept, and their type."""
REMEDY = "give a PNG, JPEG, GIF or WebP file"


def images_in(value: object, folder: Path) -> tuple[str, ...]:
    """URLs of the images among the parts of a message. MessageMistake for one that cannot be sent."""
    parts = value if isinstance(value, list) else []
    return tuple(_url(_of_part(part), folder) for part in parts if is_image(part))


def images_of_record(content: Mapping[str, object], folder: Path) -> tuple[str, ...]:
    """URLs of the images of a record under KEYS; each key has one image or a list."""
    found: list[object] = []
    for name, value in content.items():
        if plain(name) in KEYS and value not in (None, "", []):
            found += value if isinstance(value, list) else [value]
    return tuple(_url(_of_part(one) if isinstance(one, Mapping) else one, folder) for one in found)


def _of_part(part: object) -> object:
    """The URL, path or data in a part."""
    if not isinstance(part, Mapping):
        return part
    found = next(
        (part[key] for key in ("image_url", "image", "source", "url", "path") if part.get(key)), None
    )
    if not isinstance(found, Mapping):
        return found
    if isinstance(found.get("data"), str):
        return f"data:{found.get('media_type', 'image/png')};base64,{found['data']}"
    return found.get("url") or found.get("path")


def _url(value: object, folder: Path) -> str:
    """An http(s) or data URL unchanged; a path, relative to `folder`, as a data URL of the file."""
    if not isinstance(value, str) or not value:
        raise MessageMistake("an image is no text: give a path, a URL or a data URL")
    if value.startswith(("http://", "https://", "data:image/")):
        return value
    if value.startswith("data:"):
        raise MessageMistake(f"an image is {quoted(value[:40])}: must be data:image/…")
    try:
        content = read_input(folder / value.removeprefix("file://"), REMEDY, MOST_BYTES)
    except UsageError as error:
        raise MessageMistake(f"image {error.lines[0]}") from None
    kind = next((kind for magic, kind in MAGIC.items() if content.startswith(magic)), None)
    if kind is None:
        raise MessageMistake(f"image {quoted(value)} is no image that servers take: {REMEDY}")
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
