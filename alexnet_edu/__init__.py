"""AlexNet, exactly: every variant as data, trained weights, filters, feature maps and the course built on them.

The public names stand in ``__init__.pyi``. Each is imported when first used, so that ``import alexnet_edu`` is quick.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

try:
    __version__ = version("alexnet-edu")
except PackageNotFoundError:  # a plain folder on the path, not installed
    __version__ = "0+unknown"
