"""Search that finds Chinese words on English pages.

Sphinx takes what stands between two punctuation marks for one word. Chinese has no spaces, so a
whole sentence would be one, and its words could not be found. Here the index gets every character
and every pair of neighbours as well. For longer queries the search page itself looks inside terms.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

CHINESE = re.compile(r"[\u3400-\u9fff]+")


class SearchEnglishAndChinese(SearchEnglish):
    """The words of a text, and what its Chinese may be asked for."""

    def split(self, text: str) -> list[str]:
        found = super().split(text)
        for run in CHINESE.findall(text):
            found += [*run, *(run[i : i + 2] for i in range(len(run) - 1))]
        return found


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(SearchEnglishAndChinese)  # takes the place of "en"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
