"""Names by a model that the test makes: WordPiece, windows, pins; through onnxruntime."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.inference.names import RecogniserSetup, open_names
from agent.inference.token_names import SUMS, open_recogniser
from agent.inference.wordpiece import WordPieces
from exchange.domain.errors import ModelError
from exchange.domain.identifiers import HarvestedIdentifiers
from redact.headers.profile import NameRecognition
from redact.headers.text import clean_descriptor
from redact.identifiers.matcher import Matcher
from redact.identifiers.names import FoundNames, NameRecogniser
from tests.agent.inference.onnx_making import model

TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "ct",
    "dr",
    ".",
    "mark",
    "head",
    "##er",
    "brack",
    "##en",
    "of",
    "a",
]
LABELS = {"0": "O", "1": "B-PER", "2": "I-PER", "3": "B-LOC"}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def scores() -> tuple[np.ndarray[Any, np.dtype[np.float32]], np.ndarray[Any, np.dtype[np.float32]]]:
    own = np.zeros((len(TOKENS), len(LABELS)), np.float32)
    before = np.zeros_like(own)
    own[:, 0] = 4.0
    own[TOKENS.index("brack")] = (0, 4, 0, 0)
    own[TOKENS.index("##en")] = (0, 0, 1, 0)
    own[TOKENS.index("a")] = (0, 0, 0, 8)
    before[TOKENS.index("dr")] = (0, 8, 0, 0)
    return own, before


def folder(path: Path, /, *inputs: str, **changed: str | bytes | None) -> NameRecognition:
    """A model's folder, and what a profile says of it."""
    files: dict[str, str | bytes | None] = {
        "model.onnx": model(*scores(), inputs or INPUTS),
        "vocab.txt": "\n".join(TOKENS) + "\n",
        "config.json": json.dumps({"id2label": LABELS, "max_position_embeddings": 12}),
        "people.txt": "PER\n",
        **{name.replace("_", "."): content for name, content in changed.items()},
    }
    path.mkdir(parents=True, exist_ok=True)
    sums = ""
    for name, content in files.items():
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            (path / name).write_bytes(data)
            sums += f"{hashlib.sha256(data).hexdigest()}  {name}\n"
    (path / SUMS).write_text(sums)
    return NameRecognition("token-classification", 0.5, hashlib.sha256(sums.encode()).hexdigest(), str(path))


def opened(path: Path, **changed: str | bytes | None) -> NameRecogniser:
    return open_names(folder(path, **changed))[0]


def found(recogniser: NameRecogniser, text: str, threshold: float = 0.5) -> list[str]:
    return [text[start:end] for start, end, _, sure in recogniser.recognise(text) if sure >= threshold]


def test_a_word_is_judged_by_what_stands_before_it(tmp_path: Path) -> None:
    recogniser = opened(tmp_path)
    assert found(recogniser, "CT head, mark") == []
    assert found(recogniser, "CT of Dr Mark Head") == ["Mark"]
    assert found(recogniser, "Dr HEAD: ct head") == ["HEAD"]
    assert found(recogniser, "Dr  Bracken") == ["Bracken"]
    assert found(recogniser, "") == []


def test_confidence_is_the_sum_over_labels_of_people_at_the_surest_piece(tmp_path: Path) -> None:
    (span,) = [one for one in opened(tmp_path).recognise("brackener") if one]
    powers = np.exp([0.0, 4.0, 0.0, 0.0])
    assert span[3] == pytest.approx((powers[1] + powers[2]) / powers.sum(), abs=1e-6)
    assert span[2] == "PER"
    assert found(opened(tmp_path), "a") == []  # a place is no person


def test_what_only_the_first_piece_tells_takes_the_whole_word(tmp_path: Path) -> None:
    assert found(opened(tmp_path), "of brackener") == ["brackener"]


def test_a_model_without_the_other_inputs(tmp_path: Path) -> None:
    recogniser = open_names(folder(tmp_path, "input_ids"))[0]
    assert found(recogniser, "Dr Mark") == ["Mark"]


@pytest.mark.parametrize("words", range(1, 40))
def test_texts_longer_than_the_model_takes_are_read_in_parts_that_overlap(tmp_path: Path, words: int) -> None:
    recogniser = opened(tmp_path)
    text = " ".join(["ct"] * words) + " dr mark " + " ".join(["of"] * words)
    assert found(recogniser, text) == ["mark"]
    spans = [(start, end) for start, end, _, _ in recogniser.recognise(text)]
    assert sorted(spans) == sorted(set(spans))
    assert len(spans) == 2 * words + 2


def test_what_cannot_be_read_at_once_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="longer"):
        list(opened(tmp_path).recognise("brack" + "en" * 20))


def test_the_same_text_gives_the_same_answer(tmp_path: Path) -> None:
    one, other = opened(tmp_path), opened(tmp_path)
    text = "CT of Dr Mark Head bracken"
    first = list(one.recognise(text))
    one.recognise("Dr Head")
    assert list(one.recognise(text)) == list(other.recognise(text)) == first


def test_names_that_it_finds_go(tmp_path: Path) -> None:
    names = FoundNames(opened(tmp_path), 0.5)
    nobody = Matcher(HarvestedIdentifiers())
    assert names.cleaned(clean_descriptor, "CT head, Dr Mark", nobody, "") == "CT head, Dr"
    assert names.cleaned(clean_descriptor, "CT head mark", nobody, "") == "CT head mark"


def test_receipts_say_by_what(tmp_path: Path) -> None:
    wanted = folder(tmp_path)
    facts = open_names(wanted)[1]
    assert (facts.name, facts.sha256) == ("token-classification", wanted.sha256)
    assert facts.version.startswith("lockgate-")
    assert facts.provider == "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"people_txt": None}, "does not list people.txt"),
        ({"people_txt": ""}, "is not what it should be"),
        ({"people_txt": "PER\nHCW\n"}, "is not what it should be"),
        ({"config_json": json.dumps({"id2label": {**LABELS, "3": "LOC"}})}, "is not what it should be"),
        ({"config_json": json.dumps({"id2label": {"0": "O", "2": "B-PER"}})}, "is not what it should be"),
        ({"config_json": "[]"}, "is not what it should be"),
        ({"config_json": "{"}, "is not what it should be"),
        ({"vocab_txt": "ct\n"}, "is not what it should be"),
        ({"model_onnx": b"no model"}, "cannot load the model on any of"),
        ({"model_onnx": model(*scores(), ("input_ids", "pixel_values"))}, "other inputs"),
    ],
)
def test_a_folder_that_makes_no_model(tmp_path: Path, changed: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        opened(tmp_path, **changed)


@pytest.mark.parametrize("name", ["model.onnx", "vocab.txt", "config.json", "people.txt", SUMS])
def test_a_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    wanted = folder(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[0] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"SHA-256 of {name} is not the pinned one"):
        open_names(wanted)


def test_a_missing_file_or_pin_is_refused(tmp_path: Path) -> None:
    wanted = folder(tmp_path)
    with pytest.raises(ModelError, match="does not name it"):
        open_recogniser(RecogniserSetup(None, wanted.sha256, ("cpu",), 1))
    with pytest.raises(ModelError, match="does not name it"):
        open_recogniser(RecogniserSetup(tmp_path, "", ("cpu",), 1))
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(ModelError, match=r"vocab\.txt cannot be read"):
        open_names(wanted)


def test_other_scores_than_of_the_labels_are_refused(tmp_path: Path) -> None:
    recogniser = opened(tmp_path, config_json=json.dumps({"id2label": {"0": "O", "1": "B-PER"}}))
    with pytest.raises(ValueError, match="no scores"):
        recogniser.recognise("ct")
    own, before = scores()
    own[4, 0] = np.nan
    broken = opened(tmp_path / "nan", model_onnx=model(own, before))
    with pytest.raises(ValueError, match="no scores"):
        broken.recognise("ct")


def words(text: str, *, lower: bool = True, strip_accents: bool = True) -> list[tuple[str, list[str]]]:
    made = WordPieces(TOKENS, lower=lower, strip_accents=strip_accents).words(text)
    return [(text[one.start : one.end], [TOKENS[piece] for piece in one.pieces]) for one in made]


def test_words_and_pieces() -> None:
    assert words("Dr.Brackener") == [("Dr", ["dr"]), (".", ["."]), ("Brackener", ["brack", "##en", "##er"])]
    assert words("ct\tHEADer x") == [("ct", ["ct"]), ("HEADer", ["head", "##er"]), ("x", ["[UNK]"])]
    assert words("Márk M​ark\u00ad") == [("Márk", ["mark"]), ("M​ark", ["mark"])]
    assert words("Márk", strip_accents=False) == [("Márk", ["[UNK]"])]
    assert words("Mark mark", lower=False) == [("Mark", ["[UNK]"]), ("mark", ["mark"])]
    assert words("ct王明of") == [("ct", ["ct"]), ("王", ["[UNK]"]), ("明", ["[UNK]"]), ("of", ["of"])]
    assert words("[SEP]^") == [("[", ["[UNK]"]), ("SEP", ["[UNK]"]), ("]", ["[UNK]"]), ("^", ["[UNK]"])]
    assert words("a" * 101) == [("a" * 101, ["[UNK]"])]
    assert words("\u0301") == []
