"""Show versions, devices and the embedded weights, or the classes that a model knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tracker.cli._options import Download, Prompt, fetched, listed, overridden


def command(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="Weights of a detector or an export of them: the classes it knows."),
    ] = None,
    prompt: Prompt = None,
    download: Download = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Without the cards.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show versions, devices, and the embedded weights with their cards.

    A card says what the weights were trained on, under which licence, and how well they do. With a MODEL, show that
    alone and the classes it knows, which are what --classes takes.

    Example: track info yolo11n.pt
    """
    if model is not None:
        _show_model(model, prompt, download, quiet, as_json)
        return
    from tracker import provenance
    from tracker.errors import UsageError

    for name, given in (("--prompt", prompt), ("--download", download)):
        if given:
            raise UsageError(f"{name} is for a MODEL, and none is given; name its weights: track info yoloe-11s-seg.pt")

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


def _show_model(model: str, prompt: list[str] | None, download: bool, quiet: bool, as_json: bool) -> None:
    """Print a detector's file and its classes, a line each."""
    from tracker.config import Config
    from tracker.export.networks import Networks
    from tracker.provenance import weights_files

    settings = overridden(
        Config(), {"MODEL": ("detector", "model", model), "--prompt": ("detector", "prompt", listed(prompt))}
    )
    if download:
        fetched(settings.detector, quiet)
    names = Networks(settings).detector.names
    file = weights_files(settings)["detector"]
    if as_json:
        print(
            json.dumps({"file": str(file), "classes": {str(number): name for number, name in names.items()}}, indent=2)
        )
        return
    if not quiet:
        print(f"{file}: {len(names)} class{'es' * (len(names) != 1)}")
    for number, name in names.items():
        print(f"{number:>4} {name}")


def _devices() -> dict[str, str]:
    """Name for --device -> what it is."""
    import torch

    gpus = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    return {"cpu": f"{torch.get_num_threads()} threads"} | {f"cuda:{i}": torch.cuda.get_device_name(i) for i in gpus}


def _weights() -> dict[str, dict[str, Any]]:
    """Each network's embedded file with its hash, size and card, the detector's with its classes.

    A network without one is left out.
    """
    from safetensors import safe_open

    from tracker.config import PACKAGE
    from tracker.provenance import hashed

    found: dict[str, dict[str, Any]] = {}
    for path in sorted((PACKAGE / "assets").glob("*.safetensors")):
        card = path.with_suffix(".md")
        with safe_open(path, framework="np") as file:
            names = json.loads((file.metadata() or {}).get("names", "{}"))
        found[path.stem] = hashed(path) | {
            "bytes": path.stat().st_size,
            "card": card.read_text(encoding="utf-8") if card.is_file() else "",
        }
        if names:
            found[path.stem]["classes"] = list(names.values())
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
        if "classes" in weights:
            table.add_row("", f"{len(weights['classes'])} classes: {', '.join(weights['classes'])}")
    console.print(table)
    for weights in facts["weights"].values() if cards else ():
        console.rule(Path(weights["file"]).name)
        console.print(Markdown(weights["card"] or "(no card)"))
