"""GPUs on a machine without any: a stand-in for `nvidia-smi`, which is all that leases know of GPUs."""

from pathlib import Path


class FakeGpus:
    """Says what `nvidia-smi` says of GPUs.

    Args:
        folder: where it and the leases lie.
        memory: of each GPU in MB, by name.
    """

    def __init__(self, folder: Path, **memory: int):
        self.folder = folder
        self.memory = memory
        folder.mkdir()
        tool = folder / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\ncat {folder}/gpus.csv\n")
        tool.chmod(0o755)
        self.use()

    def use(self, **used: int) -> None:
        """Let other programs use so many MB of GPUs, by name, and nothing of the others."""
        rows = [f"{name}, {memory}, {used.get(name, 0)}\n" for name, memory in self.memory.items()]
        (self.folder / "new.csv").write_text("".join(rows))
        (self.folder / "new.csv").rename(self.folder / "gpus.csv")

    def environment(self, path: str) -> dict[str, str]:
        """Return the variables by which processes see these GPUs; `path` is the PATH that they have."""
        return {"PATH": f"{self.folder}:{path}", "MML_GPU_LEASES": str(self.folder / "leases")}
