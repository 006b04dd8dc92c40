"""What made committed assets: each file says which, and how to make it again. Not installed with the package."""
