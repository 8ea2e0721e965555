"""Show versions, devices, and the embedded weights with their cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    quiet: Annotated[bool, typer.Option("--quiet", help="Without the cards.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show versions, devices, and the embedded weights with their cards.

    A card says what the weights were trained on, under which licence, and how well they do.

    Example: track info --json
    """
    from tracker import provenance

    weights = _weights()
    facts = {
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "devices": _devices(),
        "weights": weights,
    }
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        _print(facts, cards=not quiet)


def _devices() -> dict[str, str]:
    """Name for --device -> what it is."""
    import torch

    gpus = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return {"cpu": f"{torch.get_num_threads()} threads"} | {f"cuda:{i}": torch.cuda.get_device_name(i) for i in gpus}


def _weights() -> dict[str, dict[str, Any]]:
    """Each network's embedded file with its hash, size and card; a network without one is left out."""
    from tracker.config import PACKAGE
    from tracker.provenance import hashed

    found: dict[str, dict[str, Any]] = {}
    for path in sorted((PACKAGE / "assets").glob("*.safetensors")):
        card = path.with_suffix(".md")
        found[path.stem] = hashed(path) | {
            "bytes": path.stat().st_size,
            "card": card.read_text(encoding="utf-8") if card.is_file() else "",
        }
    return found


def _print(facts: dict[str, Any], *, cards: bool) -> None:
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.table import Table

    console = Console(markup=False, emoji=False)  # names may have brackets, colons
    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name in ("versions", "machine", "devices"):
        for key, value in facts[name].items():
            table.add_row(key, str(value))
        table.add_section()
    for name, weights in facts["weights"].items():
        size = f"{weights['bytes'] / 1e6:.2f} MB"
        table.add_row(name, f"{Path(weights['file']).name}, {size}, sha256 {weights['sha256'][:16]}...")
    console.print(table)
    for weights in facts["weights"].values() if cards else ():
        console.rule(Path(weights["file"]).name)
        console.print(Markdown(weights["card"] or "(no card)"))
