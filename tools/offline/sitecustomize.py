"""Python runs this by itself at the start of every process that has this folder on its path."""

import os

if os.environ.get("ALEXNET_EDU_OFFLINE") == "1":
    import offline_guard

    offline_guard.install()
