"""The tokenizer files of a folder that we write: what AutoTokenizer reads to give our ids."""

import json

from harness.exchange.published import Json
from harness.spec import is_kept
from harness.tokenizers import END_OF_TEXT, Tokenizer, byte_characters


def tokenizer_files(tokenizer: Tokenizer, context: int) -> dict[str, Json]:
    """tokenizer.json and tokenizer_config.json."""
    stored, end_of_text = _stored(tokenizer)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": end_of_text,
        "eos_token": end_of_text,
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    return {"tokenizer.json": stored, "tokenizer_config.json": config}


def _stored(tokenizer: Tokenizer) -> tuple[Json, str]:
    """The tokenizer in the library's own form, and the token at which a text ends."""
    if tokenizer.name == "bytes":
        return _bytes(tokenizer), END_OF_TEXT
    definition = json.loads(tokenizer.definition)
    if is_kept(tokenizer.name):
        return definition["tokenizer"], definition["end_of_text"]
    return definition, END_OF_TEXT


def _bytes(tokenizer: Tokenizer) -> Json:
    """Byte pairs without a merge; the byte that ends a text has no character, so that one in a text is dropped."""
    vocabulary = {character: byte for byte, character in enumerate(byte_characters()) if byte != tokenizer.end_of_text}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {"type": "BPE", "vocab": {END_OF_TEXT: tokenizer.end_of_text, **vocabulary}, "merges": []},
    }
