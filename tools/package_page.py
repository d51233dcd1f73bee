"""README.md for a package index, whose page has no files beside it: links lead to the repository.

Where pyproject.toml names no repository, the links within it and the picture become their texts,
in italics, so that nothing leads nowhere.
"""

from __future__ import annotations

import re

_PICTURE = re.compile(r"!\[([^]]*)\]\((?!https?:)([^)]+)\)")
_LINK = re.compile(r"(?<!!)\[([^]]*)\]\((?!https?:|#)([^)]+)\)")


def page(readme: str, repository: str | None, tag: str) -> str:
    """The text of such a page."""
    if repository is None:
        return _LINK.sub(r"*\1*", _PICTURE.sub(r"*\1.*", readme))
    readme = _PICTURE.sub(rf"![\1]({repository}/raw/{tag}/\2)", readme)
    return _LINK.sub(rf"[\1]({repository}/blob/{tag}/\2)", readme)
