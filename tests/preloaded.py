"""C sources of the tests that are loaded into programs before their C library."""

import pathlib
import shutil
import subprocess


def compiled(source: str, folder: pathlib.Path) -> str:
    """The library of a source of this folder."""
    library = folder / pathlib.Path(source).with_suffix(".so").name
    source = pathlib.Path(__file__).with_name(source)
    compiler = shutil.which("cc")
    assert compiler, f"no C compiler for {source}: run `dev/install tests` (Debian: apt-get install gcc libc6-dev)"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, (
        f"{source} does not compile; `dev/install tests` installs what it needs:\n{done.stderr}"
    )
    return str(library)


def together(*environments: dict) -> dict:
    """One environment with the libraries of all."""
    libraries = [one["LD_PRELOAD"] for one in environments if "LD_PRELOAD" in one]
    merged = {name: value for one in environments for name, value in one.items()}
    return merged | {"LD_PRELOAD": " ".join(libraries)}
