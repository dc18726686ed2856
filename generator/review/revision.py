"""The specs of a git revision, understood by the current generator.

In: the root of a checkout and a revision. Out: what `understand` gives for the specs that git holds there. They are read
from git's objects into a temporary folder; the working tree is not touched.
"""

import io
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from generator.diag import Diagnostic, errors
from generator.layout import SPECS
from generator.pipeline import Understood, understand


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision by its name and its commit, and what its specs say."""

    name: str
    commit: str
    understood: Understood


def specs_at(root: Path, name: str) -> Revision | Diagnostic:
    """Read the specs of a revision, or say why that is not possible."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found is None:
        hint = "name a commit, a branch or a tag; git log --oneline shows them"
        return Diagnostic("R001", f"git knows no revision {name!r} in {root}", None, hint=hint)
    commit = found.decode().strip()
    archive = _git(root, "archive", "--format=tar", commit, "--", SPECS)
    if archive is None:
        return Diagnostic("R001", f"the revision {name!r} has no folder {SPECS}/", None, hint="name a later one")
    with tempfile.TemporaryDirectory(prefix="horizon-gen-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        return Revision(name, commit[:10], understand(Path(folder)))


def unreadable(revision: Revision) -> tuple[Diagnostic, ...]:
    """Why the specs of a revision cannot be compared; nothing when they can."""
    if revision.understood.knowledge is not None and not errors(revision.understood.diagnostics):
        return ()
    message = f"the specs at {revision.name} ({revision.commit}) are not what this generator reads"
    hint = "the findings above are about that revision; compare with a later one, or check it out and use its own generator"
    return (Diagnostic("R002", message, None, hint=hint),)


def _git(root: Path, *arguments: str) -> bytes | None:
    """What git prints, or None when it fails or is not there."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)  # noqa: S603, S607 - git from the path
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
