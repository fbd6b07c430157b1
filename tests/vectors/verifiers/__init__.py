"""Each verifier behind one face: cases in, the state of every layer of every bundle out."""

from dataclasses import dataclass, field

LAYERS = "SDCL"
OK, FAILED, NOT_CHECKED = "ok", "failed", "not-checked"


@dataclass(frozen=True)
class Answer:
    """What a verifier says about one bundle.

    Attributes:
        layers: State by layer letter.
        ok: Its verdict; None where it gives none.
        code: Of the first error, "" without one or where it names none.
    """

    layers: dict[str, str] = field(default_factory=lambda: dict.fromkeys(LAYERS, NOT_CHECKED))
    ok: bool | None = None
    code: str = ""
