"""Versions, device, weights and their cards."""

from __future__ import annotations


def command() -> None:
    """Show versions, device, weights and their cards.

    Example: track info
    """
