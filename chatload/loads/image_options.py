"""Options of images in messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from chatload.model.words import plural
from chatload.options.length_options import PROMPT_TOKENS
from chatload.options.option import Group, Integer, InvalidValue, Option
from chatload.options.option_reader import OptionReader
from chatload.options.ranges import whole
from chatload.prompts.synthetic_images import MOST_SIDE

MOST_IMAGES = 64
_SIZE = re.compile(r"([0-9]{1,5})\s*[x×]\s*([0-9]{1,5})", re.IGNORECASE)


class ImageUse(msgspec.Struct, frozen=True):
    """How many images each message of a user has, and their size in pixels."""

    images: int
    width: int
    height: int

    @property
    def words(self) -> str:
        """In words: "2 images of 1024 × 768 in each message"."""
        return f"{plural(self.images, 'image')} of {self.width} × {self.height} in each message"

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeOption(Option[tuple[int, int]]):
    """Width and height in pixels: 1024x768."""

    def parse(self, text: str) -> tuple[int, int]:
        """(width, height)."""
        found = _SIZE.fullmatch(text)
        size = (int(found[1]), int(found[2])) if found else (0, 0)
        if not all(1 <= side <= MOST_SIDE for side in size):
            raise InvalidValue(
                f"must be width x height in pixels such as 1024x768, each from 1 to {MOST_SIDE:,}"
            )
        return size


IMAGES = Integer(
    name="images",
    default="0",
    range=whole(0, MOST_IMAGES),
    group=Group.PROMPTS,
    help="generated images in each message of a user, each a different one",
    label="Images in each message",
)
IMAGE_SIZE = SizeOption(
    name="image-size",
    default="1024x768",
    group=Group.PROMPTS,
    help="their size in pixels, such as 1024x768",
    label="Size of the images (pixels)",
)
IMAGE_OPTIONS = (IMAGES, IMAGE_SIZE)


def read_image_use(reader: OptionReader) -> ImageUse | None:
    """The images that the options ask for; None without --images."""
    images, (width, height) = reader.get(IMAGES), reader.get(IMAGE_SIZE)
    if not images:
        reader.refuse_unused(IMAGE_SIZE, "without --images: say how many, or leave it out", IMAGES)
        return None
    remedy = "with --images, whose tokens are part of the prompt: leave it out"
    reader.refuse_unused(PROMPT_TOKENS, remedy, IMAGES)
    return ImageUse(images, width, height)
