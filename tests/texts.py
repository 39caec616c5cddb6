"""Texts for Hypothesis to draw."""

from __future__ import annotations

from hypothesis import strategies as st

# What UTF-8 can say. By its default, Hypothesis finds that out by itself, for ten seconds in each new clone.
CHARACTERS = st.characters(exclude_categories=["Cs"])


def texts(max_size: int | None = None) -> st.SearchStrategy[str]:
    """Any text that there is in UTF-8."""
    return st.text(CHARACTERS, max_size=max_size)
