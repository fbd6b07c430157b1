"""What the kernel knows of its clock: whether something keeps it right. Every receipt says so."""

import ctypes
import sys

UNSYNCHRONISED = 0x40  # STA_UNSYNC, adjtimex(2)


def clock_source() -> str:
    """For the receipt: `synchronised`, `unsynchronised`, or `system` where the kernel does not say."""
    status = kernel_clock_status()
    if status is None:
        return "system"
    return "unsynchronised" if status & UNSYNCHRONISED else "synchronised"


def kernel_clock_status() -> int | None:
    """`status` of adjtimex(2) in reading mode; None where there is no such call."""
    # struct timex on 64-bit Linux: modes, padding, five longs, then status.
    buffer = ctypes.create_string_buffer(512)
    try:
        answered = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (AttributeError, OSError):
        return None
    if answered < 0 or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    return int.from_bytes(buffer.raw[48:52], sys.byteorder)
