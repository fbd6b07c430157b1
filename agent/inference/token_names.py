"""Names by token classification: a site's own ONNX model of the BERT family, pinned by digest.

Its folder is what such models are exported to, with two files more:
- `model.onnx`: `input_ids`, and `attention_mask` and `token_type_ids` where it wants them, int64 [1, tokens],
  in; the first output, [1, tokens, labels], are the scores before softmax;
- `vocab.txt`, `tokenizer_config.json` (optional: `do_lower_case`, `strip_accents`): WordPiece;
- `config.json`: `id2label` in BIO («O», «B-PER», «I-PER»), `max_position_embeddings` (512 where it is not said);
- `people.txt`: which entities are people, one a line (`PER`; of clinical models `PATIENT`, `HCW`, …);
- `SHA256SUMS`: of all these, as sha256sum prints it; the profile pins its digest.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.inference.names import RecogniserSetup
from agent.inference.session import load_weights
from agent.inference.wordpiece import Word, WordPieces
from exchange.domain.errors import ModelError
from redact.identifiers.names import NameSpan

SUMS = "SHA256SUMS"
_MODEL, _VOCABULARY, _CONFIG, _PEOPLE = "model.onnx", "vocab.txt", "config.json", "people.txt"
_TOKENIZER = "tokenizer_config.json"
_SUM = re.compile(r"([0-9a-f]{64}) [ *]([\w.-]+)")
_POSITIONS, _FEWEST_POSITIONS = 512, 8
_SURE = 0.5  # from here on neighbours are one name
_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})

Scores = NDArray[np.float64]


class TokenNames:
    """Words that the model takes for a person's, each with the probability of its surest piece.

    Args:
        session: Of onnxruntime.
        provider: Execution provider in use.
        sha256: Digest of `SHA256SUMS`.
        tokens: The vocabulary.
        labels: Entity by class, "" for none.
        people: The entities that are people.
        positions: Tokens that the model takes at once, start and end among them.
    """

    def __init__(
        self,
        session: Any,
        provider: str,
        sha256: str,
        tokens: WordPieces,
        labels: tuple[Sequence[str], frozenset[str]],
        positions: int,
    ) -> None:
        entities, people = labels
        self._session = session
        self._tokens = tokens
        self._entities = entities
        self._people = np.array([entity in people for entity in entities])
        self._room = positions - 2
        self._inputs = [one.name for one in session.get_inputs()]
        self._output = session.get_outputs()[0].name
        self.provider = provider
        self.sha256 = sha256

    def recognise(self, text: str) -> list[NameSpan]:
        """Every word with its probability; neighbours that are probably names are one.

        Raises:
            ValueError: What the model gives is no scores of its labels.
        """
        words = [self._fitting(word) for word in self._tokens.words(text)]
        rated: dict[Word, tuple[float, str]] = {}
        for window in self._windows(words):
            for word, found in zip(window, self._rated(window), strict=True):
                rated[word] = max(rated.get(word, found), found)
        spans = []
        for sure, run in groupby(words, key=lambda word: rated[word][0] >= _SURE):
            listed = list(run)
            for part in [listed] if sure else [[word] for word in listed]:
                confidence, label = max(rated[word] for word in part)
                spans.append(NameSpan(part[0].start, part[-1].end, label, confidence))
        return spans

    def _fitting(self, word: Word) -> Word:
        pieces = word.pieces if len(word.pieces) <= self._room else (self._tokens.unknown,)
        return Word(word.start, word.end, pieces)

    def _windows(self, words: Sequence[Word]) -> Iterator[Sequence[Word]]:
        """Parts that the model takes at once; a quarter of each is read again with what follows."""
        start = 0
        while start < len(words):
            end = start + self._fits(words[start:])
            yield words[start:end]
            if end == len(words):
                return
            again = self._fits(words[start:end][::-1], self._room // 4)
            start = max(start + 1, end - again)

    def _fits(self, words: Sequence[Word], room: int = 0) -> int:
        left = room or self._room
        for number, word in enumerate(words):
            left -= len(word.pieces)
            if left < 0:
                return number
        return len(words)

    def _rated(self, words: Sequence[Word]) -> Iterator[tuple[float, str]]:
        ids = [self._tokens.start, *(piece for word in words for piece in word.pieces), self._tokens.end]
        given = np.array([ids], np.int64)
        feeds = dict.fromkeys(self._inputs, given)
        feeds |= {"attention_mask": np.ones_like(given)} if "attention_mask" in feeds else {}
        feeds |= {"token_type_ids": np.zeros_like(given)} if "token_type_ids" in feeds else {}
        (scores,) = self._session.run([self._output], feeds)
        if scores.shape != (1, len(ids), len(self._entities)) or not np.isfinite(scores).all():
            raise ValueError("no scores of the labels")
        likely = _softmax(scores[0].astype(np.float64))
        position = 1
        for word in words:
            part = likely[position : position + len(word.pieces)]
            position += len(word.pieces)
            named = part * self._people
            piece = int(named.sum(axis=1).argmax())
            label = self._entities[int(named[piece].argmax())]
            yield min(1.0, float(named[piece].sum())), label


def _softmax(scores: Scores) -> Scores:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def open_recogniser(setup: RecogniserSetup) -> TokenNames:
    """The model in the profile's folder.

    Raises:
        ModelError: The folder or its digest is not named, a file is missing or not the pinned one, or the
            files do not make a model that classifies tokens.
    """
    if setup.model is None or not setup.sha256:
        raise ModelError(
            "cannot open the model of names: the profile does not name it", "write model: and sha256:"
        )
    files = _pinned(setup.model, setup.sha256)
    try:
        config, tokenizer = json.loads(files[_CONFIG]), json.loads(files.get(_TOKENIZER, b"{}"))
        lower = bool(tokenizer.get("do_lower_case", True))
        accents = tokenizer.get("strip_accents")
        vocabulary = files[_VOCABULARY].decode("utf-8").removesuffix("\n").split("\n")
        tokens = WordPieces(
            [token.removesuffix("\r") for token in vocabulary],
            lower=lower,
            strip_accents=lower if accents is None else bool(accents),
        )
        labels = _labels(config["id2label"]), frozenset(files[_PEOPLE].decode("utf-8").split())
        positions = int(config.get("max_position_embeddings", _POSITIONS))
    except KeyError as error:
        raise _unfit(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _unfit(type(error).__name__) from error
    if not labels[1] or not labels[1] <= set(labels[0]) or positions < _FEWEST_POSITIONS:
        raise _unfit(f"{_PEOPLE} and the labels, or the positions, do not fit")
    session, provider, _ = load_weights(files[_MODEL], setup.providers, setup.threads)
    inputs = {one.name for one in session.get_inputs()}
    if "input_ids" not in inputs or not inputs <= _INPUTS:
        raise _unfit("its inputs are others")
    return TokenNames(session, provider, setup.sha256, tokens, labels, positions)


def _labels(listed: Mapping[str, str]) -> list[str]:
    """The entity of each class.

    Raises:
        ValueError: A class has no label, or one that is not BIO.
    """
    found = {int(number): label for number, label in listed.items()}
    labels = [found[number] for number in range(len(found))] if found.keys() == set(range(len(found))) else []
    if "O" not in labels or not all(one == "O" or one[:2] in {"B-", "I-"} for one in labels):
        raise ValueError("labels are not BIO")
    return ["" if label == "O" else label[2:] for label in labels]


def _pinned(folder: Path, sha256: str) -> Mapping[str, bytes]:
    """The files by name, each read once and checked, so that what is checked is what runs."""
    sums = _read(folder, SUMS)
    if hashlib.sha256(sums).hexdigest() != sha256:
        raise ModelError(f"cannot use the model of names: {SUMS} is not the one that the profile pins")
    listed = [_SUM.fullmatch(line) for line in sums.decode("utf-8", "replace").splitlines() if line]
    files: dict[str, bytes] = {}
    for match in listed:
        if match is None:
            raise _unfit(f"a line of {SUMS} is no digest with a file name")
        files[match[2]] = _read(folder, match[2])
        if hashlib.sha256(files[match[2]]).hexdigest() != match[1]:
            raise ModelError(f"cannot use the model of names: {match[2]} is not the one in {SUMS}")
    if missing := {_MODEL, _VOCABULARY, _CONFIG, _PEOPLE} - files.keys():
        raise _unfit(f"{SUMS} does not list {', '.join(sorted(missing))}")
    return files


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read {name} of the model of names: {error.strerror}", "look at its folder"
        ) from error


def _unfit(why: str) -> ModelError:
    return ModelError(f"cannot use the model of names: {why}", "see agent/inference/token_names.py")
