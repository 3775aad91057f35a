"""Texts of others in Markdown."""

import re


def line(text: str) -> str:
    """Return a text of others on one line, without what would be markup there."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return a text of others on one line as code, which nothing in it ends."""
    words = " ".join(text.split())
    return f"`{words}`" if words and "`" not in words else line(words)
