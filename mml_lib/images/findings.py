"""Findings: problems of decoded images, collected during packing, with one warning for each kind."""

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import summarized, warn

FINDINGS = "findings.json"
"""File of the findings in a shard of packed images; missing without findings."""

BLANK, UNSEEN, LEFT_OUT, PAGES = "blank", "unseen", "left_out", "pages"
"""Kinds of findings: a single colour; alpha that would hide all pixels; additional bands; additional pages."""

WARNINGS = {
    BLANK: "{images} one colour everywhere once decoded: {names}; correct or remove {them}",
    UNSEEN: "{images} an alpha channel that would hide everything; it is taken for no opacity, and left out: {names}; "
    "save {them} without alpha if that is right",
    LEFT_OUT: "{images} bands beside the colours that the file does not call opacity; they are left out: {names}",
    PAGES: "{images} further pages of the same size, such as channels or slices; the first is read: {names}; save "
    "channels as colours of one page, slices as images",
}


@dataclass
class Findings:
    """Files by kind of finding. Adding is thread-safe.

    Args:
        files: names by kind.
        colours: names of blank images by their colour.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    colours: dict[str, list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, kind: str, file: object, colour: tuple[float, ...]) -> None:
        """Add a finding about a file. `colour` is the value of one of its pixels."""
        with self._lock:
            self.files.setdefault(kind, []).append(str(file))
            if kind == BLANK:
                self.colours.setdefault(" ".join(map(str, colour)), []).append(str(file))

    def warn(self) -> None:
        """Warn of each kind of finding in one line."""
        for kind, files in sorted(self.files.items()):
            images, them = ("1 image has", "it") if len(files) == 1 else (f"{len(files)} images have", "them")
            warn(WARNINGS[kind].format(images=images, them=them, names=summarized(sorted(files))))

    def write(self, folder: Path) -> None:
        """Write the findings to a folder, unless there are none."""
        if self.files:
            content = {"files": self.files, "colours": self.colours}
            (folder / FINDINGS).write_text(json.dumps(content, sort_keys=True))

    @classmethod
    def read(cls, folders: Iterable[Path]) -> "Findings":
        """Return the findings of several folders."""
        findings = cls()
        for path in (folder / FINDINGS for folder in folders):
            content = json.loads(path.read_text()) if path.exists() else {"files": {}, "colours": {}}
            for kind, files in content["files"].items():
                findings.files.setdefault(kind, []).extend(files)
            for colour, files in content["colours"].items():
                findings.colours.setdefault(colour, []).extend(files)
        return findings

    def refuse_if_blank(self, count: int) -> None:
        """Check that at most half of the images of a data set have the same single colour.

        Blank images of different colours are accepted, because networks can distinguish them.

        Args:
            count: number of all images.

        Raises:
            MMLError: more than half of the images have the same single colour.
        """
        colour, blank = max(self.colours.items(), key=lambda item: len(item[1]), default=("", []))
        if 2 * len(blank) > count:
            raise MMLError(
                f"{len(blank)} of {count} images have one colour everywhere once they are decoded, always the value "
                f"{colour} ({summarized(sorted(blank))}), so nothing can be learned from them; look at one, and "
                "correct or remove them (values of more than 8 bits: state images: {range: [low, high]} in the task)"
            )
