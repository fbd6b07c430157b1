"""Names by token classification: a site's own ONNX model of the BERT family, pinned by digest.

Its folder is what such models are exported to, with two files more:
- `model.onnx`: in, int64 [1, tokens]: `input_ids`, and `attention_mask` and `token_type_ids` if it has them;
  out, first: [1, tokens, labels], scores before softmax;
- `vocab.txt`, and perhaps `tokenizer_config.json` (`do_lower_case`, `strip_accents`): WordPiece;
- `config.json`: `id2label` in BIO («O», «B-PER», «I-PER»), `max_position_embeddings` (512 if it says none);
- `people.txt`: which entities are people, one a line (`PER`; of clinical models `PATIENT`, `HCW`, …);
- `SHA256SUMS`: of all these, as sha256sum prints it; the profile pins its digest.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent.inference.names import RecogniserSetup
from agent.inference.session import load_weights
from agent.inference.wordpiece import Word, WordPieces
from exchange.domain.errors import ModelError
from redact.identifiers.names import NameSpan

SUMS = "SHA256SUMS"
_SUM = re.compile(r"([0-9a-f]{64}) [ *]([\w.-]+)")
_MODEL, _VOCABULARY, _CONFIG, _PEOPLE = "model.onnx", "vocab.txt", "config.json", "people.txt"
_POSITIONS, _FEWEST_POSITIONS = 512, 8
_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})


class TokenNames:
    """Rates each word by the probability that its surest piece is a person's name.

    Args:
        session: Of onnxruntime.
        tokens: The vocabulary.
        people: By class, the entity where it is a person; "" of all others.
        positions: Tokens that the model takes at once, start and end among them.
        sha256: Digest of `SHA256SUMS`.
    """

    def __init__(
        self, session: Any, tokens: WordPieces, people: Sequence[str], positions: int, sha256: str
    ) -> None:
        self._session, self._tokens, self._people = session, tokens, people
        self._room = positions - 2
        self._inputs = [one.name for one in session.get_inputs()]
        self._output = session.get_outputs()[0].name
        self.provider = session.get_providers()[0]
        self.sha256 = sha256

    def recognise(self, text: str) -> list[NameSpan]:
        """Every word with its probability.

        Raises:
            ValueError: What the model gives is no scores of its labels.
        """
        rated: dict[Word, tuple[float, str]] = {}
        for window in self._windows(list(self._tokens.words(text))):
            for word, found in zip(window, self._rated(window), strict=True):
                rated[word] = max(rated.get(word, found), found)
        return [NameSpan(word.start, word.end, label, sure) for word, (sure, label) in rated.items()]

    def _windows(self, words: Sequence[Word]) -> Iterator[Sequence[Word]]:
        """Parts that the model takes at once; a quarter of each is read again with what follows."""
        start = end = 0
        while end < len(words):
            end, left = start, self._room
            while end < len(words) and (size := len(words[end].pieces)) <= left:
                end, left = end + 1, left - size
            if end == start:
                raise ValueError("a word is longer than what the model takes at once")
            yield words[start:end]
            start = max(start + 1, end - (end - start) // 4)

    def _rated(self, words: Sequence[Word]) -> Iterator[tuple[float, str]]:
        ids = [self._tokens.start, *(piece for word in words for piece in word.pieces), self._tokens.end]
        given = np.array([ids], np.int64)
        feeds = {"input_ids": given, "attention_mask": np.ones_like(given), "token_type_ids": given * 0}
        (scores,) = self._session.run([self._output], {name: feeds[name] for name in self._inputs})
        if scores.shape != (1, len(ids), len(self._people)) or not np.isfinite(scores).all():
            raise ValueError("no scores of the labels")
        powers = np.exp(scores[0].astype(np.float64) - scores[0].max(axis=1, keepdims=True))
        likely = powers / powers.sum(axis=1, keepdims=True) * np.array([bool(one) for one in self._people])
        position = 1
        for word in words:
            pieces = likely[position : position + len(word.pieces)]
            position += len(word.pieces)
            surest = pieces[pieces.sum(axis=1).argmax()]
            yield min(1.0, float(surest.sum())), self._people[int(surest.argmax())]


def open_recogniser(setup: RecogniserSetup) -> TokenNames:
    """The model in the profile's folder.

    Raises:
        ModelError: The folder or its digest is not named, a file is missing or not the pinned one, or the
            files do not make a model that classifies tokens.
    """
    if setup.model is None or not setup.sha256:
        raise _unusable("the profile does not name it; write model: and sha256:")
    files = _pinned(setup.model, setup.sha256)
    try:
        config, tokenizer = json.loads(files[_CONFIG]), json.loads(files.get("tokenizer_config.json", b"{}"))
        lower, accents = bool(tokenizer.get("do_lower_case", True)), tokenizer.get("strip_accents")
        vocabulary = files[_VOCABULARY].decode("utf-8").replace("\r\n", "\n").removesuffix("\n").split("\n")
        tokens = WordPieces(
            vocabulary, lower=lower, strip_accents=lower if accents is None else bool(accents)
        )
        people = _people(config["id2label"], frozenset(files[_PEOPLE].decode("utf-8").split()))
        positions = int(config.get("max_position_embeddings", _POSITIONS))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _unusable(f"{_CONFIG}, {_VOCABULARY} or {_PEOPLE} is not what it should be") from error
    session, _, _ = load_weights(files[_MODEL], setup.providers, setup.threads)
    inputs = {one.name for one in session.get_inputs()}
    if positions < _FEWEST_POSITIONS or "input_ids" not in inputs or not inputs <= _INPUTS:
        raise _unusable("it takes other inputs")
    return TokenNames(session, tokens, people, positions, setup.sha256)


def _people(listed: Mapping[str, str], wanted: frozenset[str]) -> list[str]:
    """By class, the entity where it is a person; "" of all others.

    Raises:
        ValueError: A class has no label or one that is not BIO, or an entity that is wanted is none of them.
    """
    labels = [listed[str(number)] for number in range(len(listed))]
    if not wanted or not wanted <= {label[2:] for label in labels if label[:2] in {"B-", "I-"}}:
        raise ValueError("no such entity")
    if not all(label == "O" or label[:2] in {"B-", "I-"} for label in labels):
        raise ValueError("labels are not BIO")
    return [label[2:] if label[2:] in wanted else "" for label in labels]


def _pinned(folder: Path, sha256: str) -> Mapping[str, bytes]:
    """The files by name, each read once and checked, so that what is checked is what runs."""
    sums = _read(folder, SUMS, sha256)
    listed = [_SUM.fullmatch(line) for line in sums.decode("utf-8", "replace").splitlines() if line]
    if None in listed:
        raise _unusable(f"a line of {SUMS} is no digest with a file name")
    files = {match[2]: _read(folder, match[2], match[1]) for match in listed if match is not None}
    if missing := {_MODEL, _VOCABULARY, _CONFIG, _PEOPLE} - files.keys():
        raise _unusable(f"{SUMS} does not list {', '.join(sorted(missing))}")
    return files


def _read(folder: Path, name: str, sha256: str) -> bytes:
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise _unusable(f"{name} cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _unusable(f"the SHA-256 of {name} is not the pinned one")
    return data


def _unusable(why: str) -> ModelError:
    return ModelError(f"cannot use the model of names: {why}", "see docs/adr/0017-names-by-plug-in.md")
