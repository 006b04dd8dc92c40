"""``python -m alexnet_edu`` is ``alexnet-edu``; ``torchrun -m alexnet_edu train`` starts several processes of it."""

import sys

from alexnet_edu.cli.main import main

sys.exit(main())
