"""AlexNet in a page: the trained network alive in any browser, without a server behind it.

``web/`` holds what a browser loads. Its engine computes every layer as ``alexnet_edu.models`` does; layers, sizes,
costs and labels come from the spec and the weights (``description``), so nothing is written down twice.
"""

from alexnet_edu.page.bundle import single_file, write_folder
from alexnet_edu.page.files import page_files
from alexnet_edu.page.server import make_server

__all__ = ["make_server", "page_files", "single_file", "write_folder"]
