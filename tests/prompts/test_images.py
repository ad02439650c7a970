"""Images in messages: made here, and of files of conversations."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from chatload.model.errors import UsageError
from chatload.model.turn import Message
from chatload.prompts.conversation import GrowingConversation, RepeatedMessage, conversation_for
from chatload.prompts.conversation_file import ConversationFile, load_conversations
from chatload.prompts.description import of_conversations
from chatload.prompts.message_forms import images_of, picture_message
from chatload.prompts.script import Script
from chatload.prompts.synthetic_images import image_url, synthetic_image
from chatload.prompts.with_images import WithImages

PNG = synthetic_image(3, 2, "file")
AS_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (9, 1), (17, 30), (640, 480), (8192, 2)])
def test_another_program_reads_the_images_made_here(width: int, height: int) -> None:
    first, second = (Image.open(io.BytesIO(synthetic_image(width, height, seed))) for seed in "ab")
    assert (first.format, first.size, first.mode) == ("PNG", (width, height), "RGB")
    assert first.tobytes() != second.tobytes(), "pixels differ, not only the file"
    assert synthetic_image(width, height, "a") == synthetic_image(width, height, "a")


@pytest.mark.parametrize(("width", "height"), [(1, 1), (17, 30), (8192, 2)])
def test_the_checksum_over_drawn_and_shared_rows_is_right(width: int, height: int) -> None:
    """Pillow does not look at it; zlib does."""
    content, at, packed = synthetic_image(width, height, "a"), 8, b""
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        packed += content[at + 8 : at + 8 + length] * (kind == b"IDAT")
        at += length + 12
    assert len(zlib.decompress(packed)) == height * (3 * width + 1)


def test_a_photo_s_size_has_a_photo_s_bytes() -> None:
    assert 30_000 < len(synthetic_image(1024, 768, "a")) < 200_000


def urls_of(message: Message) -> list[str]:
    parts = message.more.get("content", [])
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]


def test_images_of_a_growing_conversation_stay_what_they_were() -> None:
    texts = GrowingConversation(Script(("one", "two"), "system"))
    chat = WithImages(texts, lambda number: [f"u{number}a", f"u{number}b"], grows=True)
    first = chat.next_messages()
    chat.add_reply(None)
    assert chat.next_messages() == first
    chat.add_reply("yes")
    second = chat.next_messages()
    assert [message.role for message in second] == ["system", "user", "assistant", "user"]
    assert [urls_of(message) for message in second] == [[], ["u0a", "u0b"], [], ["u1a", "u1b"]]
    assert second[1].more["content"][2:] == [{"type": "text", "text": "one"}]
    assert second[1].content == "one", "what journals keep"


def test_without_history_each_turn_has_new_images() -> None:
    chat = WithImages(RepeatedMessage("hi"), lambda number: [f"u{number}"], grows=False)
    seen = []
    for _ in range(3):
        seen += [url for message in chat.next_messages() for url in urls_of(message)]
        chat.add_reply("yes")
    assert seen == ["u0", "u1", "u2"]


def test_images_are_counted_and_measured() -> None:
    url = image_url(30, 20, "a")
    said = picture_message(Message("user", "hi"), [url, "https://pictures/1.png", AS_URL])
    assert images_of([said, Message("user", "no")]) == (3, len(synthetic_image(30, 20, "a")) + len(PNG))


def loaded(tmp_path: Path, *records: Any) -> ConversationFile:
    (tmp_path / "one.png").write_bytes(PNG)
    (tmp_path / "no.png").write_text("no image")
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return load_conversations(path)


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def part(kind: str = "image_url", **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


SAID = {"role": "assistant", "content": "a"}
TEXT = {"type": "text", "text": "What is it?"}


@pytest.mark.parametrize(
    ("record", "lines", "images"),
    [
        ({"prompt": "Look", "image": "one.png"}, ("Look",), ((AS_URL,),)),
        ({"prompt": "Look", "images": ["https://x/1", {"path": "one.png"}]}, ("Look",), (("https://x/1", AS_URL),)),
        ({"messages": [user(part(image_url={"url": AS_URL}), TEXT)]}, ("What is it?",), ((AS_URL,),)),
        ({"messages": [user({"type": "image", "image": "one.png"})]}, ("",), ((AS_URL,),)),
        (
            {"messages": [user({"type": "image", "source": {"media_type": "image/gif", "data": "R0lG"}}, TEXT)]},
            ("What is it?",),
            (("data:image/gif;base64,R0lG",),),
        ),
        (
            {"messages": [user(TEXT), SAID, user(part("input_image", image_url="one.png"))]},
            ("What is it?", ""),
            ((), (AS_URL,)),
        ),
        ({"messages": [user(TEXT), user({"type": "image", "image": "one.png"})]}, ("What is it?",), ((AS_URL,),)),
        ({"prompt": "Look", "images": []}, ("Look",), ()),
    ],
)  # fmt: skip
def test_files_of_conversations_may_hold_images(tmp_path: Path, record: Any, lines: Any, images: Any) -> None:
    found = loaded(tmp_path, record)
    assert (found.scripts[0].lines, found.scripts[0].images) == (lines, images)
    assert found.has_images == bool(images)
    assert found.notes == ()
    assert of_conversations("f", found.scripts, ()).images == sum(map(len, images))
    (message,) = conversation_for(0, 1, "w", found.scripts).next_messages()
    assert urls_of(message) == list(images[0] if images else ())


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("two.png", "no such file"),
        ("no.png", "'no.png' is no image that servers take: give a PNG, JPEG, GIF or WebP file"),
        ("data:text/plain,a", "must be data:image/"),
        (7, "an image is no text: give a path, a URL or a data URL"),
    ],
)
def test_an_image_that_cannot_be_sent_is_a_mistake_of_its_line(
    tmp_path: Path, image: Any, words: str
) -> None:
    with pytest.raises(UsageError) as wrong:
        loaded(tmp_path, {"prompt": "a"}, {"prompt": "b", "image": image})
    (line,) = wrong.value.lines
    assert "prompts.jsonl:2: " in line
    assert words in line.lower() or words in line
