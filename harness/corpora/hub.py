"""A dataset of the Hugging Face hub, streamed: `hf:ORG/NAME`, `hf:ORG/NAME/CONFIG`, either with `@REVISION`."""

import logging
import re
from collections.abc import Iterator

from harness.corpora.corpus import Corpus, Document
from harness.refusal import Refusal

_PATTERN = re.compile(r"hf:(?P<name>[\w.-]+/[\w.-]+)(/(?P<config>[\w.-]+))?(@(?P<revision>[\w.-]+))?", re.ASCII)
_FIELD = "text"

# Web-scale datasets have terabytes; this much text is far more than a study on small machines reads.
_STREAM_BYTES = 2_000_000_000


def hub_corpus(name: str) -> Corpus:
    """The training split's field `text`, streamed up to two gigabytes; nothing is fetched before it is read."""
    dataset, config, revision = _parts(name)

    def read() -> Iterator[Document]:
        size_bytes = 0
        for number, row in enumerate(hub_rows(name)):
            text = row.get(_FIELD)
            if not isinstance(text, str):
                raise Refusal(
                    f"{name} has no text field {_FIELD!r}: there are {', '.join(sorted(row))}; save it as .jsonl"
                )
            size_bytes += len(text.encode("utf-8", "replace"))
            if size_bytes > _STREAM_BYTES:
                return
            yield Document(f"{dataset}#{number}", text)

    return Corpus(
        name="-".join(part for part in (*dataset.split("/"), config) if part),
        source=f"Hugging Face hub, {name}, split train, at most {_STREAM_BYTES} bytes",
        licence="see the dataset's card",
        read=read,
        read_version=lambda: revision or "main",
    )


def hub_rows(name: str) -> Iterator[dict[str, object]]:
    """The rows of the training split, streamed; a set of one file has no other split."""
    dataset, config, revision = _parts(name)
    try:
        import datasets
    except ImportError:
        raise Refusal(
            f"{name} needs the package datasets, which is not installed: pip install -c constraints.txt -e '.[hub]'"
        ) from None
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries are told once, below
    try:
        yield from datasets.load_dataset(dataset, config, revision=revision, split="train", streaming=True)
    # The hub's client has no common error: a missing network, dataset or config each raises another class.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refusal(f"{name} does not stream from the hub ({reason:.200}): check the id and the network") from None


def _parts(name: str) -> tuple[str, str | None, str | None]:
    """Dataset, config and revision of a hub id."""
    match = _PATTERN.fullmatch(name)
    if match is None:
        raise Refusal(f"{name!r}: a hub id is hf:ORG/NAME, with /CONFIG and @REVISION where needed")
    return match["name"], match["config"], match["revision"]
