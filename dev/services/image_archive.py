"""Writes a container image from a folder, without Docker: the archive that `docker load`, `ctr images import`,
`skopeo` and `crane` read. The same folder gives the same bytes.

usage: image_archive.py --tag NAME:TAG --output FILE [--user UID:GID] [--env KEY=VALUE]... [--label KEY=VALUE]...
                        [--entrypoint PROGRAM]... FOLDER
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import platform
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def layer(folder: pathlib.Path) -> bytes:
    """The folder as a layer: all owned by root, without times."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            entry = archive.gettarinfo(path, arcname=path.relative_to(folder).as_posix())
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            if not entry.isreg():
                archive.addfile(entry)
                continue
            entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", os.path.getsize(path)
            with path.open("rb") as file:
                archive.addfile(entry, file)
    return content.getvalue()


def configuration(layer_digest: str, runtime: dict) -> bytes:
    """What the runtime must know, in the format of the OCI image specification."""
    return json.dumps(
        {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": runtime,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        },
        sort_keys=True,
    ).encode()


def write(output: pathlib.Path, tag: str, folder: pathlib.Path, runtime: dict):
    """The archive `output`, complete or absent."""
    content = layer(folder)
    config = configuration(hashlib.sha256(content).hexdigest(), runtime)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".unfinished")
    with tarfile.open(unfinished, mode="w") as archive:
        for name, part in ((config_name, config), ("layer.tar", content), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(name)
            entry.size = len(part)
            archive.addfile(entry, io.BytesIO(part))
    unfinished.rename(output)


def main():
    parser = argparse.ArgumentParser(description="Writes a container image from a folder, without Docker.")
    parser.add_argument("--tag", required=True, help="the image's reference: NAME:TAG")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="the archive to write")
    parser.add_argument("--user", default="65532:65532", help="UID:GID of the process")
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--entrypoint", action="append", default=[], metavar="PROGRAM")
    parser.add_argument("folder", type=pathlib.Path, help="what the image's / contains")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is not a folder")
    runtime = {
        "User": arguments.user,
        "Entrypoint": arguments.entrypoint,
        "Env": ["PATH=/usr/local/bin:/bin", *arguments.env],
        "Labels": dict(label.split("=", 1) for label in arguments.label),
        "WorkingDir": "/",
    }
    write(arguments.output, arguments.tag, arguments.folder, runtime)


if __name__ == "__main__":
    main()
