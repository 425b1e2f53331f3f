"""Nothing that a peer sends reaches the terminal as anything but text."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ocpp_inspect.report.safe import TEXT_CHARACTERS, safe


def test_control_characters_become_visible() -> None:
    assert safe("\x1b]0;owned\x07\x1b[31mred\r\n\x9b1m\x7f") == "␛]0;owned␇␛[31mred␍␊<U+009B>1m␡"


def test_bidi_overrides_zero_width_and_separators_become_visible() -> None:
    assert safe("a\u202eb\u2066c\u200bd\u2028e\ufefff") == "a<U+202E>b<U+2066>c<U+200B>d<U+2028>e<U+FEFF>f"


def test_lone_surrogates_and_private_characters_become_visible() -> None:
    assert safe("\ud800\ue000\U000e0041") == "<U+D800><U+E000><U+E0041>"


def test_marks_do_not_pile_up() -> None:
    assert safe("a" + "\u0301" * 50 + "b") == "a\u0301\u0301b"


def test_ordinary_text_of_any_script_passes() -> None:
    for text in ("Wallbox [bold]x[/] :smile:", "Ladesäule Köln", "充電器 № 7", "שלום", "कि", "é ñ ü"):
        assert safe(text) == text
    assert safe("a\u00a0b") == "a b"


def test_other_values_are_text_too() -> None:
    assert (safe(None), safe(17), safe(["\x1b"])) == ("", "17", "['\\x1b']")


def test_ten_megabytes_are_cut() -> None:
    assert len(safe("x" * 10_000_000)) == TEXT_CHARACTERS
    assert len(safe("\x1b" * 10_000_000, 20)) == 20
    assert safe("abcdef", 4) == "abc…"


@given(st.text(max_size=300), st.integers(min_value=1, max_value=80))
def test_any_text_is_printable_and_bounded(text: str, limit: int) -> None:
    shown = safe(text, limit)
    assert len(shown) <= 2 * limit
    assert all(each.isprintable() for each in shown)
    assert not any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in shown)
