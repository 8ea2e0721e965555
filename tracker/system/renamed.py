"""Names that have changed: for one version the former ones are taken as well, each with a warning of one line."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

FORMER = {
    "recognise_s": "reid_s",
    "memory_looks": "memory_embeddings",
    "coast_cover": "coast_occluded",
    "return_odds": "reid_odds",
    "return_margin": "reid_margin",
    "return_doubt": "reid_doubt",
    "rounds": "iterations",
    "filter_rounds": "filter_iterations",
    "looks_every": "embeddings_every",
}
"""Keys that had another name in version 0.1: taken in this one as well, with a warning. Former name -> name now."""


class RenamedKeyWarning(FutureWarning):
    """A file uses the former name of a key. Shown to who runs a command, as a `DeprecationWarning` is not."""


def renamed_argument(former: str, name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function that takes the argument `name` under its former name, too.

    >>> @renamed_argument("colour", "hue")
    ... def paint(hue=0):
    ...     return hue
    >>> paint(hue=3)
    3
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            _take(function.__qualname__, kwargs, {former: name})
            return function(*args, **kwargs)

        return wrapper

    return decorate


def renamed_fields(names: Mapping[str, str]) -> Callable[[C], C]:
    """A dataclass whose fields can be given, and read, under their former names, too; `names`: former -> now."""

    def decorate(cls: C) -> C:
        fields = {field.name for field in dataclasses.fields(cls)}
        own = {former: name for former, name in names.items() if name in fields}
        begin: Callable[..., None] = cls.__init__  # type: ignore[misc]

        @functools.wraps(begin)
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            _take(cls.__name__, kwargs, own)
            begin(self, *args, **kwargs)

        def read(self: Any, name: str) -> Any:  # called only where there is no such attribute
            if name not in own:
                raise AttributeError(f"{cls.__name__!r} object has no attribute {name!r}")
            _warn(cls.__name__, name, own[name], stacklevel=3)
            return getattr(self, own[name])

        setattr(cls, "__init__", init)  # noqa: B010 - mypy sees an instance's method in an assignment
        setattr(cls, "__getattr__", read)  # noqa: B010
        return cls

    return decorate


def _take(where: str, given: dict[str, Any], names: Mapping[str, str]) -> None:
    """Put keyword arguments given under former names under those of now, in place."""
    for former in given.keys() & names.keys():
        _warn(where, former, names[former], stacklevel=4)
        given[names[former]] = given.pop(former)


def _warn(where: str, former: str, name: str, stacklevel: int) -> None:
    warnings.warn(f"{where}: {former} is called {name} now; rename it", DeprecationWarning, stacklevel)
