"""Rar archives of stored members, as RAR 3 writes them; no free program writes rar."""

import struct
import zlib
from pathlib import Path

MARK = b"Rar!\x1a\x07\x00"
STORED, COMPRESSED = 0x30, 0x33


def _block(kind: int, flags: int, body: bytes, data: bytes = b"") -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data


def write_rar(path: Path, files: dict[str, bytes], method: int = STORED, size: int | None = None) -> Path:
    """Write an archive.

    Args:
        path: file to write.
        files: content by name.
        method: of compression, as the archive states it.
        size: bytes that each file declares; unset: its own.
    """
    blocks = [MARK, _block(0x73, 0, b"\0" * 6)]
    for name, content in files.items():
        spelled = name.encode("ascii")
        declared = len(content) if size is None else size
        crc, time = zlib.crc32(content), 0x5A21_0000
        body = struct.pack("<IIBIIBBHI", len(content), declared, 3, crc, time, 29, method, len(spelled), 0o100644 << 0)
        blocks.append(_block(0x74, 0x8000, body + spelled, content))
    path.write_bytes(b"".join([*blocks, _block(0x7B, 0x4000, b"")]))
    return path
