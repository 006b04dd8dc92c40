"""The ``alexnet-edu`` command: ``main`` finds a command's file by its name, ``arguments`` holds what several share."""
