"""Where a PDF page shows text, pictures and drawings: its operators, carried out (ISO 32000-1, 8 and 9)."""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from pypdf.generic import ContentStream

from redact.documents.pdf_fonts import UNREADABLE, FontReader, font_reader, resolved
from redact.documents.pdf_geometry import IDENTITY, Matrix, Point, box_of, matrix_of, product
from redact.documents.pdf_page import Budget, PageContent, Piece
from redact.documents.refusals import DocumentLimits, refused

_PAINTS = frozenset({b"S", b"s", b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*", b"sh"})
_CURVES = frozenset({b"c", b"v", b"y"})


@dataclass(slots=True)
class _State:
    ctm: Matrix = IDENTITY
    font: FontReader = UNREADABLE
    size: float = 0.0
    character_space: float = 0.0
    word_space: float = 0.0
    scale: float = 1.0
    leading: float = 0.0
    rise: float = 0.0


def page_content(page: Any, reader: Any, budget: Budget, limits: DocumentLimits) -> PageContent:
    """Carry out a page's operators.

    Args:
        page: Of pypdf.
        reader: Of pypdf, that the page came from.
        budget: Of the whole document.
        limits: Of how deep forms may stand in forms.

    Raises:
        HeldError: It costs more than it may.
        Exception: Whatever pypdf says of a malformed page.
    """
    contents = page.get("/Contents")
    run = _Interpreter(reader, budget, limits.depth)
    if contents is not None:
        run.carry_out(ContentStream(contents, reader, "bytes"), page.get("/Resources"), _State(), 0)
    return run.content


class _Interpreter:
    def __init__(self, reader: Any, budget: Budget, deepest: int) -> None:
        self.content = PageContent()
        self._reader = reader
        self._budget = budget
        self._deepest = deepest
        self._fonts: dict[int, FontReader] = {}
        self._resources: Any = {}
        self.state = _State()
        self._saved: list[_State] = []
        self._text = self._line = IDENTITY
        self._corners: list[Point] = []
        self._at: Point = (0.0, 0.0)
        self._depth = 0

    def carry_out(self, stream: ContentStream, resources: Any, state: _State, depth: int) -> None:
        """Carry out one content stream: a page's, or a form's in it."""
        if depth > self._deepest:
            raise refused("its forms are nested too deeply")
        outer = self._resources, self.state, self._saved, self._depth
        self._resources, self.state = resolved(resources) or {}, state
        self._saved, self._depth = [], depth
        self._budget.spend(data=len(stream.get_data()))
        operations = stream.operations
        self._budget.spend(operations=len(operations))
        for operands, operator in operations:
            name = bytes(operator)
            handler = _OPERATORS.get(name)
            if handler is not None:
                handler(self, operands)
            elif name in _PAINTS:
                self._paint()
        self._resources, self.state, self._saved, self._depth = outer

    def save(self, _operands: Sequence[Any]) -> None:
        self._budget.spend(operations=1)
        self._saved.append(copy(self.state))

    def restore(self, _operands: Sequence[Any]) -> None:
        if self._saved:
            self.state = self._saved.pop()

    def transform(self, operands: Sequence[Any]) -> None:
        self.state.ctm = product(matrix_of(operands), self.state.ctm)

    def begin_text(self, _operands: Sequence[Any]) -> None:
        self._text = self._line = IDENTITY

    def set_font(self, operands: Sequence[Any]) -> None:
        fonts = resolved(self._resources.get("/Font")) or {}
        font = resolved(fonts.get(operands[0]))
        if font is None:
            self.state.font = UNREADABLE
        else:
            key = id(font)
            if key not in self._fonts:
                self._fonts[key] = font_reader(font)
            self.state.font = self._fonts[key]
        self.state.size = float(operands[1])

    def set_matrix(self, operands: Sequence[Any]) -> None:
        self._text = self._line = matrix_of(operands)

    def move(self, operands: Sequence[Any]) -> None:
        self._line = product((1, 0, 0, 1, float(operands[0]), float(operands[1])), self._line)
        self._text = self._line

    def move_leading(self, operands: Sequence[Any]) -> None:
        self.state.leading = -float(operands[1])
        self.move(operands)

    def next_line(self, _operands: Sequence[Any]) -> None:
        self.move((0, -self.state.leading))

    def show(self, operands: Sequence[Any]) -> None:
        self._show(_bytes(operands[0]))

    def show_next(self, operands: Sequence[Any]) -> None:
        self.next_line(())
        self._show(_bytes(operands[0]))

    def show_spaced(self, operands: Sequence[Any]) -> None:
        self.state.word_space, self.state.character_space = float(operands[0]), float(operands[1])
        self.next_line(())
        self._show(_bytes(operands[2]))

    def show_kerned(self, operands: Sequence[Any]) -> None:
        for part in operands[0]:
            if isinstance(part, (str, bytes)):
                self._show(_bytes(part))
            else:
                self._advance(-float(part) / 1000 * self.state.size * self.state.scale)

    def _show(self, shown: bytes) -> None:
        state, text, width = self.state, [], 0.0
        for glyph in state.font.glyphs(shown):
            self.content.glyphs += 1
            self.content.unknown += not glyph.text
            text.append(glyph.text or "\ufffd")
            space = state.character_space + (state.word_space if glyph.is_space else 0.0)
            width += (glyph.width * state.size + space) * state.scale
        self._budget.spend(characters=len(text))
        place = product((1, 0, 0, 1, 0, state.rise), product(self._text, state.ctm))
        along = math.hypot(place[0], place[1])
        if text and along:
            self.content.pieces.append(
                Piece(
                    x=place[4],
                    y=place[5],
                    angle=round(math.degrees(math.atan2(place[1], place[0]))) % 360,
                    size=abs(state.size) * math.hypot(place[2], place[3]),
                    width=width * along,
                    text="".join(text),
                )
            )
        self._advance(width)

    def _advance(self, width: float) -> None:
        self._text = product((1, 0, 0, 1, width, 0), self._text)

    def external(self, operands: Sequence[Any]) -> None:
        objects = resolved(self._resources.get("/XObject")) or {}
        one = resolved(objects.get(operands[0]))
        if one is None or one.get("/Subtype") != "/Form":
            self.image(())
            return
        state = copy(self.state)
        matrix = resolved(one.get("/Matrix"))
        if matrix:
            state.ctm = product(matrix_of(matrix), state.ctm)
        inner = one.get("/Resources", self._resources)
        self.carry_out(ContentStream(one, self._reader, "bytes"), inner, state, self._depth + 1)

    def image(self, _operands: Sequence[Any]) -> None:
        """Note where a picture stands: pictures fill the unit square (8.9.5)."""
        corners = [self._point(x, y) for x in (0, 1) for y in (0, 1)]
        self.content.images.append(box_of(corners))

    def go(self, operands: Sequence[Any]) -> None:
        self._at = self._point(float(operands[0]), float(operands[1]))

    def curve(self, operands: Sequence[Any]) -> None:
        self._corners.append(self._at)
        for pair in range(0, len(operands) - 1, 2):
            self.go(operands[pair : pair + 2])
            self._corners.append(self._at)

    def no_paint(self, _operands: Sequence[Any]) -> None:
        self._corners.clear()

    def _paint(self) -> None:
        self.content.drawings += 1
        self.content.curves += self._corners
        self._corners.clear()

    def _point(self, x: float, y: float) -> Point:
        a, b, c, d, e, f = self.state.ctm
        return a * x + c * y + e, b * x + d * y + f


def _bytes(shown: Any) -> bytes:
    return bytes(shown) if isinstance(shown, bytes) else bytes(shown.original_bytes)


def _setting(name: str, factor: float = 1.0) -> Callable[[_Interpreter, Sequence[Any]], None]:
    def put(run: _Interpreter, operands: Sequence[Any]) -> None:
        setattr(run.state, name, float(operands[0]) * factor)

    return put


_OPERATORS: dict[bytes, Callable[[_Interpreter, Sequence[Any]], None]] = {
    b"q": _Interpreter.save,
    b"Q": _Interpreter.restore,
    b"cm": _Interpreter.transform,
    b"BT": _Interpreter.begin_text,
    b"Tf": _Interpreter.set_font,
    b"Tc": _setting("character_space"),
    b"Tw": _setting("word_space"),
    b"Tz": _setting("scale", 0.01),
    b"TL": _setting("leading"),
    b"Ts": _setting("rise"),
    b"Tm": _Interpreter.set_matrix,
    b"Td": _Interpreter.move,
    b"TD": _Interpreter.move_leading,
    b"T*": _Interpreter.next_line,
    b"Tj": _Interpreter.show,
    b"TJ": _Interpreter.show_kerned,
    b"'": _Interpreter.show_next,
    b'"': _Interpreter.show_spaced,
    b"Do": _Interpreter.external,
    b"INLINE IMAGE": _Interpreter.image,
    **dict.fromkeys(_CURVES, _Interpreter.curve),
    b"m": _Interpreter.go,
    b"l": _Interpreter.go,
    b"n": _Interpreter.no_paint,
}
