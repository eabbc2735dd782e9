"""Make the host's package sources available to an image build, without leaving them in the image:

    python3 host_pip.py DIRECTORY

writes DIRECTORY/pip.conf with the package sources that `pip config list` reports (from files and
PIP_* environment variables) and prints, one per line, the volumes to mount at build time: that
file, the host's certificates, and the local directories that the configuration names.
"""

import ast
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

SOURCES = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy")
PATIENCE = ("timeout", "default-timeout", "retries")
SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
MOUNTED_CERTIFICATES = "/etc/ssl/host-certificates.crt"


def host_options(listing: str) -> dict[str, str]:
    """Options of a `pip config list`; environment variables (listed as `:env:`) win, as in pip."""
    files: dict[str, str] = {}
    environment: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        chosen = environment if section == ":env:" else files
        chosen[option.replace("_", "-")] = ast.literal_eval(value)
    return {**files, **environment}


def local_directories(options: dict[str, str]) -> list[Path]:
    """Directories on this machine that the options point to; for an index, its parent folder,
    because the index pages link to files next to it."""
    found: list[Path] = []
    for option in ("index-url", "extra-index-url", "find-links"):
        for place in options.get(option, "").split():
            url = urlparse(place)
            if url.scheme not in ("", "file"):
                continue
            path = Path(unquote(url.path))
            if option != "find-links" and path.parent != path.parent.parent:
                path = path.parent
            if path.is_absolute() and path.is_dir() and path not in found:
                found.append(path)
    return found


def pip_conf(options: dict[str, str], certificates: bool) -> str:
    """Text of the configuration file for the build; values of several lines are indented."""
    lines = ["[global]"]
    for option in SOURCES + PATIENCE:
        if option in options:
            lines.append(f"{option} = " + "\n    ".join(options[option].split()))
    if certificates:
        lines.append(f"cert = {MOUNTED_CERTIFICATES}")
    return "\n".join(lines) + "\n"


def main(directory: Path) -> None:
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    options = host_options(listing)
    certificates = Path(options.get("cert", SYSTEM_CERTIFICATES))
    written = directory / "pip.conf"
    written.write_text(pip_conf(options, certificates.is_file()), encoding="utf-8")

    volumes = [f"{written}:/etc/pip.conf:ro"]
    if certificates.is_file():
        volumes.append(f"{certificates}:{MOUNTED_CERTIFICATES}:ro")
    volumes += [f"{path}:{path}:ro" for path in local_directories(options)]
    print("\n".join(volumes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
