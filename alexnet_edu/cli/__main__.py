"""``python -m alexnet_edu.cli`` is ``alexnet-edu``, as it was when the command line was one file."""

from alexnet_edu.cli.main import main

raise SystemExit(main())
