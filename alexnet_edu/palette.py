"""How things look wherever the course draws or writes them: one set of colours, one way to write sizes."""

from __future__ import annotations

__all__ = ["BLACK", "BLUE", "CYCLE", "GREEN", "GREY", "INK", "ORANGE", "PURPLE", "SKY", "VERMILLION", "by"]

# Okabe and Ito's colours, which people with any colour vision tell apart (Color Universal Design, 2008).
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, BLACK = "#56B4E9", "#E69F00", "#000000"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE, BLACK)

INK, GREY = "#222222", "#555555"  # text and lines on white; what stands back


def by(*sizes: int) -> str:
    """Sizes as the course writes them, such as ``3 × 224 × 224``."""
    return " × ".join(f"{size:,}" for size in sizes)
