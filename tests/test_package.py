import doctest
import subprocess
import sys

import numpy as np
import pytest

import alexnet_edu


def test_every_public_name_is_there() -> None:
    assert len(alexnet_edu.__all__) >= 22 and set(alexnet_edu.__all__) <= set(dir(alexnet_edu))
    for name in alexnet_edu.__all__:
        assert getattr(alexnet_edu, name) is not None


def test_importing_the_package_imports_no_heavy_library() -> None:
    code = (
        "import sys, alexnet_edu;"
        "heavy = {'torch', 'torchvision', 'numpy', 'matplotlib', 'ipywidgets', 'PIL'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_the_spine_works_without_torch() -> None:
    """specs, geometry and images are read by tools that must not wait for torch."""
    code = (
        "import sys, alexnet_edu.geometry, alexnet_edu.images, alexnet_edu.tiles, alexnet_edu.diagram;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


FUNCTIONS = [name for name in alexnet_edu.__all__ if not isinstance(getattr(alexnet_edu, name), type)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_of_a_public_function_prints_what_it_says(name: str) -> None:
    known = {"ae": alexnet_edu, "np": np} | {one: getattr(alexnet_edu, one) for one in alexnet_edu.__all__}
    [found] = doctest.DocTestFinder(recurse=False).find(getattr(alexnet_edu, name), name, globs=known)
    assert found.examples
    assert doctest.DocTestRunner().run(found).failed == 0
