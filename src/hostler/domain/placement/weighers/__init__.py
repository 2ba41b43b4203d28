"""What makes a host better, one term a file: each module has a `WEIGHER`."""

from importlib import import_module
from pkgutil import iter_modules

from hostler.domain.placement.criterion import Weigher


def _discover() -> tuple[Weigher, ...]:
    names = sorted(module.name for module in iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}").WEIGHER for name in names)


WEIGHERS: tuple[Weigher, ...] = _discover()
"""Every term, in the order of the file names: a new file here is in force without another edit."""
