"""What can be done, a folder a noun, a file a verb. Importing this room registers every operation."""

from importlib import import_module
from pkgutil import walk_packages

for _module in walk_packages(__path__, f"{__name__}."):
    import_module(_module.name)
