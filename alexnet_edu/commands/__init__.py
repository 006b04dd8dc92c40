"""The small subcommands of ``alexnet-edu``; the large ones live with the code they run."""
