"""For instructors: hands out, grades and returns the problem sets. ``python -m grading --help`` says how.

``grade`` takes a set through these rooms: ``submissions`` finds what was handed in, ``roster`` knows whose it is,
``repair`` puts a notebook back into the form of the release, ``look`` names what a person should look at; ``crew``
runs several at a time, each in ``run`` with a ``kernel`` of its own; ``judge`` runs the tests, and only ``values``
pass between the two; ``course`` keeps nbgrader's gradebook and pages, ``records`` what is known of each student and the
CSV.
"""

import sys
from pathlib import Path

# The authors' tools read and write notebooks; they are scripts, and not installed either.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "tools"))
