"""What makes a host unfit, one criterion a file: each module has a `FILTER`."""

from importlib import import_module
from pkgutil import iter_modules

from hostler.domain.placement.criterion import Filter


def _discover() -> tuple[Filter, ...]:
    names = sorted(module.name for module in iter_modules(__path__))
    return tuple(import_module(f"{__name__}.{name}").FILTER for name in names)


FILTERS: tuple[Filter, ...] = _discover()
"""Every criterion, in the order of the file names: a new file here is in force without another edit."""
