"""A small ONNX model, written as the protobuf that the format is (onnx.proto): no library makes it.

It classifies tokens: a token's scores are what its own id gives plus what the id before it gives, so that the
same word is a name behind «Dr» and none elsewhere.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

INT64, FLOAT = 7, 1
_IR_VERSION, _OPSET = 8, 17


def model(
    own: NDArray[np.float32], before: NDArray[np.float32], inputs: Sequence[str] = ("input_ids",)
) -> bytes:
    """A model of `[vocabulary, labels]` scores; inputs beyond `input_ids` are there and not used."""
    nodes = [
        _node("Slice", ["input_ids", "from", "to", "axis"], "shorter"),
        _node("Concat", ["first", "shorter"], "shifted", _attribute("axis", 1)),
        _node("Gather", ["own", "input_ids"], "of-own"),
        _node("Gather", ["before", "shifted"], "of-before"),
        _node("Add", ["of-own", "of-before"], "logits"),
    ]
    constants = [
        _tensor("own", own),
        _tensor("before", before),
        _tensor("from", np.array([0], np.int64)),
        _tensor("to", np.array([-1], np.int64)),
        _tensor("axis", np.array([1], np.int64)),
        _tensor("first", np.array([[0]], np.int64)),
    ]
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, b"names")
    graph += b"".join(_field(5, one) for one in constants)
    graph += b"".join(_field(11, _value(name, INT64, 2)) for name in inputs)
    graph += _field(12, _value("logits", FLOAT, 3))
    return _number(1, _IR_VERSION) + _field(7, graph) + _field(8, _field(1, b"") + _number(2, _OPSET))


def _node(operator: str, inputs: Sequence[str], output: str, attribute: bytes = b"") -> bytes:
    made = b"".join(_field(1, name.encode()) for name in inputs) + _field(2, output.encode())
    return made + _field(4, operator.encode()) + (_field(5, attribute) if attribute else b"")


def _attribute(name: str, value: int) -> bytes:
    return _field(1, name.encode()) + _number(3, value) + _number(20, 2)  # AttributeProto.INT


def _tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    kind = INT64 if values.dtype == np.int64 else FLOAT
    shape = b"".join(_number(1, size) for size in values.shape)
    return shape + _number(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name: str, kind: int, dimensions: int) -> bytes:
    shape = b"".join(_field(1, _field(2, f"{name}-{number}".encode())) for number in range(dimensions))
    return _field(1, name.encode()) + _field(2, _field(1, _number(1, kind) + _field(2, shape)))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])
