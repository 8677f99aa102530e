"""Kinds that a cluster is taught (CustomResourceDefinitions)."""

import contextlib
import pathlib
import subprocess

from waiting import until


def teach(cluster, folder: pathlib.Path):
    """Applies the definitions of a folder to anything that has kubectl; they are served afterwards."""
    files = f"--filename={folder}"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", files)

    # Asked again because kubectl gives up on a definition that has no conditions at all yet.
    def served():
        return cluster.kubectl("wait", "--for=condition=Established", "--timeout=10s", files)

    until(f"served kinds of {folder}", served, lambda: cluster.kubectl("get", "--output=yaml", files))


@contextlib.contextmanager
def strimzi(cluster, root: pathlib.Path):
    """A cluster that has Strimzi's own definitions; they and all their objects go at the end."""
    script = root / "dev/services/strimzi"
    folder = subprocess.run([script, "definitions"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    teach(cluster, pathlib.Path(folder))
    yield
    cluster.kubectl("delete", f"--filename={folder}", "--wait=true")
