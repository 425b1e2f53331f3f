"""Wrapping loses nothing and keeps the width, whatever the script."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ocpp_inspect.report.lines import cut, padded, plain, styled, together, wrap

TEXT = st.text(st.sampled_from("ab c充é\u0301 x0-"), max_size=120)


@given(TEXT, st.integers(min_value=8, max_value=60), st.integers(min_value=0, max_value=60))
def test_wrapped_lines_fit_and_nothing_is_lost(text: str, width: int, first: int) -> None:
    lines = wrap(text, width, first)
    assert cell_len(lines[0]) <= max(first, 0)
    assert all(cell_len(line) <= width for line in lines[1:])
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_words_stay_whole_where_they_fit() -> None:
    assert wrap("tag 04A2… starts on connector 1", 16) == ["tag 04A2… starts", "on connector 1"]
    assert wrap("abcdefghijklmnop", 8) == ["abcdefgh", "ijklmnop"]
    assert wrap("connector 1 at 12 Wh", 17, 14) == ["connector 1 at", "12 Wh"]
    assert wrap(f"took {together('12 min 5 s')}", 12) == ["took", "12 min 5 s"]
    assert wrap("", 10) == [""]


def test_numbers_stay_with_their_unit() -> None:
    assert wrap("starts at 12 345 Wh", 16) == ["starts at", "12 345 Wh"]
    assert wrap("lost 1 460 bytes, 2 messages", 14) == ["lost", "1 460 bytes, 2", "messages"]
    assert wrap("on connector 1 at", 14) == ["on connector 1", "at"]


@given(TEXT, st.integers(min_value=3, max_value=40))
def test_padded_text_has_exactly_its_cells(text: str, cells: int) -> None:
    assert cell_len(padded(text, cells)) == cells


def test_cut_takes_whole_characters() -> None:
    assert cut("充電器", 4) == "充電"
    assert cut("充電器", 5) == "充電"
    assert cut("abc", 2) == "ab"


def test_styled_text_takes_no_markup() -> None:
    line = [("[bold]x[/bold]", "red"), (" [link=http://x]y[/link]", "")]
    assert styled(line).plain == plain(line) == "[bold]x[/bold] [link=http://x]y[/link]"
