"""YAML with positions: every value and key where the file has it; never an exception."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.config.source import Position, read_source

PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.floats(allow_nan=False)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_values_and_keys_have_their_places() -> None:
    source = read_source("a: 1\nlist:\n  - x\n  - {k: v}\n")
    assert source.value == {"a": 1, "list": ["x", {"k": "v"}]}
    assert source.at(("list", 1, "k")) == Position(4, 9)
    assert source.key_at(("list", 1, "k")) == Position(4, 6)
    assert source.key_at(("list", 0)) == Position(3, 5)
    assert source.at(("list", 1, "missing")) == Position(4, 5)
    assert source.at(("list", 7)) == Position(2, 1)


def test_aliases_are_followed() -> None:
    assert read_source("a: &x {k: 1}\nb: *x\n").value == {"a": {"k": 1}, "b": {"k": 1}}


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    source = read_source("\n".join(lines))
    assert [one.message for one in source.mistakes] == ["this is too large or too deep for a configuration"]


def test_an_alias_of_itself_is_refused() -> None:
    assert read_source("a: &a [*a]").mistakes


def test_plain_scalars_keep_what_was_written() -> None:
    source = read_source("a: NO\nb: 0123\nc: 'NO'\n")
    assert source.value == {"a": False, "b": 83, "c": "NO"}
    assert source.plain == {("a",): "NO", ("b",): "0123"}


@given(PLAIN)
def test_what_yaml_writes_is_read_back(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    source = read_source(text)
    expected = yaml.safe_load(text)
    if not source.mistakes:  # keys such as "" written as quoted text are read as text
        assert source.value == expected


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    source = read_source(text)
    for mistake in source.mistakes:
        assert mistake.position.line >= 1
        assert mistake.position.column >= 1
