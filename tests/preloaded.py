"""C sources of the tests that are loaded into programs before their C library."""

import pathlib
import subprocess


def compiled(source: str, folder: pathlib.Path) -> str:
    """The library of a source of this folder."""
    library = folder / pathlib.Path(source).with_suffix(".so").name
    source = pathlib.Path(__file__).with_name(source)
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


def together(*environments: dict) -> dict:
    """One environment with the libraries of all."""
    libraries = [one["LD_PRELOAD"] for one in environments if "LD_PRELOAD" in one]
    merged = {name: value for one in environments for name, value in one.items()}
    return merged | {"LD_PRELOAD": " ".join(libraries)}
