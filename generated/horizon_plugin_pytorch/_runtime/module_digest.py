# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/module_digest.py
"""What identifies an installed package: a digest of its modules.

In: its folder. Out: hex digits. An overlay notes the digest of the package it was made for; the generator runs this very file.
"""

from hashlib import blake2b
from pathlib import Path


def digest(home: Path) -> str:
    """16 hex digits that stand for all modules of a package.

    Args:
        home: the package's folder.
    """
    total = blake2b(digest_size=8)
    for path in sorted(file.relative_to(home).as_posix() for file in home.rglob("*.py")):
        total.update(path.encode() + b"\0" + blake2b((home / path).read_bytes(), digest_size=8).digest())
    return total.hexdigest()
