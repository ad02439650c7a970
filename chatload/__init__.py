"""chatload: how many people can chat with an LLM server before it feels slow."""

__version__ = "0.2.0"
