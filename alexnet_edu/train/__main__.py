"""``python -m alexnet_edu.train`` is ``alexnet-edu train``; ``torchrun -m`` starts several of it."""

import sys

from alexnet_edu.cli import main

sys.exit(main(["train", *sys.argv[1:]]))
