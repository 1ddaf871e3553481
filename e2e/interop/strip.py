"""The marked strip and the beep for clients written in Python: drawn into and read from the luma plane of I420 pictures.

The format is told in e2e/lib/strip.mjs: 64 cells along the top edge; mark 1010, frame number (20 bits), Unix milliseconds
(32 bits), CRC-8.
"""

import time

import numpy as np

CELLS = 64
FPS = 25
BEEP_HZ = 2000
BEEP_SECONDS = 0.05


def crc8(frame: int, ms: int) -> int:
    crc = 0
    for byte in (frame << 36 | ms << 4).to_bytes(7, "big"):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def now_ms() -> int:
    return int(time.time() * 1000)


class Picture:
    """I420 pictures with the strip, moving noise below it, and grey chroma."""

    def __init__(self, width: int, height: int):
        self.width, self.height = width, height
        self.luma = np.full((height, width), 60, np.uint8)
        self.chroma = np.full((height // 2, width), 128, np.uint8)
        self.noise = np.random.default_rng(1).integers(40, 200, (height // 3, width // 3), np.uint8)

    def draw(self, frame: int) -> np.ndarray:
        """The next picture as one (height * 3 / 2, width) array."""
        ms = now_ms() & 0xFFFFFFFF
        word = 0b1010 << 60 | (frame & 0xFFFFF) << 40 | ms << 8 | crc8(frame & 0xFFFFF, ms)
        height = max(8, self.height // 24)
        edges = [round(cell * self.width / CELLS) for cell in range(CELLS + 1)]
        for cell in range(CELLS):
            self.luma[:height, edges[cell] : edges[cell + 1]] = 235 if word >> (63 - cell) & 1 else 16
        rows, columns = self.noise.shape
        x = frame * 4 % (self.width - columns)
        self.luma[height * 2 : height * 2 + rows] = 60
        self.luma[height * 2 : height * 2 + rows, x : x + columns] = self.noise
        return np.concatenate([self.luma, self.chroma])


def read(luma: np.ndarray):
    """(frame number, age in ms) of a (height, width) luma plane, or None."""
    height, width = luma.shape
    row = luma[max(8, height // 24) // 2]
    word = 0
    for cell in range(CELLS):
        word = word << 1 | int(row[int((cell + 0.5) * width / CELLS)] >= 128)
    frame, ms, crc = word >> 40 & 0xFFFFF, word >> 8 & 0xFFFFFFFF, word & 0xFF
    if word >> 60 != 0b1010 or crc != crc8(frame, ms):
        return None
    age = (now_ms() - ms) & 0xFFFFFFFF
    return frame, age - 2**32 if age >= 2**31 else age


def sound(first_sample: int, count: int, rate: int = 48000) -> np.ndarray:
    """Samples of the teacher's sound from here on, 16 bits, one channel: a beep on every second, a quiet hum between."""
    at = (first_sample + np.arange(count)) / rate
    beep = (at % 1.0 < BEEP_SECONDS) * np.sin(2 * np.pi * BEEP_HZ * at) * 0.5
    return ((beep + 0.02 * np.sin(2 * np.pi * 180 * at)) * 32767).astype(np.int16)


class Watched:
    """What a viewer saw, as the figures that it prints."""

    def __init__(self):
        self.decoded = self.readable = self.sound = 0
        self.frames: list[int] = []
        self.ages: list[int] = []
        self.sizes: dict[str, int] = {}

    def picture(self, luma: np.ndarray) -> None:
        self.decoded += 1
        size = f"{luma.shape[1]}x{luma.shape[0]}"
        self.sizes[size] = self.sizes.get(size, 0) + 1
        found = read(luma)
        if found:
            self.readable += 1
            self.frames.append(found[0])
            self.ages.append(found[1])

    def figures(self) -> dict:
        steps = [b - a for a, b in zip(self.frames, self.frames[1:])]
        ages = sorted(self.ages)
        return {
            "decoded": self.decoded,
            "readable": self.readable,
            "sound": self.sound,
            "first": self.frames[0] if self.frames else None,
            "last": self.frames[-1] if self.frames else None,
            "inOrder": all(step >= 0 for step in steps),
            "missing": sum(max(0, step - 1) for step in steps),
            "delayMs": {"p50": ages[len(ages) // 2], "p95": ages[int(len(ages) * 0.95)]} if ages else None,
            "sizes": self.sizes,
        }
