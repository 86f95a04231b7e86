"""Tables of samples as pyarrow writes them, in Parquet, and the same rows as CSV and JSON Lines.

    python xtask/peers/tables.py gblend-cli/tests/fixtures/tables

Needs `pyarrow`.
"""

import csv
import io
import json
import math
import pathlib
import struct
import sys
import wave
import zlib
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 10
COLUMNS = {
    "id": (pa.string(), [f"clip-{n}" for n in range(ROWS)]),
    "label": (pa.string(), [["cat", "dög", "", "a,b"][n % 4] for n in range(ROWS)]),
    "take": (pa.int64(), [None if n % 3 == 1 else n * 10**9 for n in range(ROWS)]),
    "small": (pa.uint8(), [255 - n for n in range(ROWS)]),
    "score": (pa.float64(), [None if n == 4 else n / 8 - 0.5 for n in range(ROWS)]),
    "gain": (pa.float32(), [float(n) for n in range(ROWS)]),
    "good": (pa.bool_(), [None if n == 7 else n % 2 == 0 for n in range(ROWS)]),
    "note": (pa.string(), [None] * ROWS),
    "day": (pa.date32(), [date(2020, 2, 20 + n) for n in range(ROWS)]),
    "tags": (pa.list_(pa.string()), [None if n == 3 else ["x;y", "ü", "z"][: n % 4] for n in range(ROWS)]),
}
NESTED = {
    "id": (pa.string(), ["a", "b"]),
    "box": (pa.struct([("left", pa.int32()), ("right", pa.int32())]), [{"left": 1, "right": 2}, None]),
    "grid": (pa.list_(pa.list_(pa.int32())), [[[1], [2]], []]),
    "bag": (pa.map_(pa.string(), pa.int32()), [[("k", 1)], []]),
    "marks": (pa.list_(pa.struct([("name", pa.string())])), [[], [{"name": "n"}]]),
    "picture": (pa.binary(), [b"\xff\x00", b"x"]),
}
# Lists of numbers: what a feature of another network, a window of a sensor, or a series is written as.
NUMBERS = {
    "id": (pa.string(), ["a", "b", "c"]),
    "flat": (pa.list_(pa.float32()), [[1.5, None, float("nan")], None, [-0.0]]),
    "fixed": (pa.list_(pa.float64(), 2), [[1e-3, 2.0], [3.0, 4.0], [5.0, 6.0]]),
    "half": (pa.list_(pa.float16()), [[0.5], [65504.0], [-2.0]]),
    "small": (pa.list_(pa.int16()), [[1, 2], [], [-3]]),
    "large": (pa.list_(pa.float64()), [[1e300], [1.0], [float("inf")]]),
    "series": (pa.list_(pa.list_(pa.float32())), [[[1, 2], [3, 4], [5, 6]], [[7, 8]], [[9], [1, 2]]]),
    "truth": (pa.list_(pa.bool_()), [[True, False], [True], [False]]),
    "words": (pa.list_(pa.string()), [["1"], [], ["x"]]),
}


def picture(sample):
    """A png of 12 by 12 pixels that its class has the color of."""
    color = bytes([(200, 40, 40), (40, 40, 200)][sample % 2])
    pixels = [[color] * 12 for _ in range(12)]
    pixels[sample // 12][sample % 12] = bytes([255, 255, 255])
    rows = b"".join(b"\0" + b"".join(row) for row in pixels)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 12, 12, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def sound(sample):
    """A wav of 50 ms that its class has the pitch of."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        pitch = [300, 1200][sample % 2] + sample
        samples = (int(9000 * math.sin(2 * math.pi * pitch * step / 8000)) for step in range(400))
        wav.writeframes(b"".join(value.to_bytes(2, "little", signed=True) for value in samples))
    return file.getvalue()


def window(sample, channel):
    return [math.sin(0.3 * step * (1 + sample % 2) + channel) + 0.01 * (sample * 7 % 11) for step in range(8)]


EMBEDDED_ROWS = 24
FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
# Pictures and sounds as the library `datasets` writes them, and as plain bytes.
EMBEDDED = {
    "label": (pa.int64(), [n % 2 for n in range(EMBEDDED_ROWS)]),
    "image": (FILE, [{"bytes": picture(n), "path": f"{n}.png"} for n in range(EMBEDDED_ROWS)]),
    "audio": (FILE, [{"bytes": sound(n), "path": None} for n in range(EMBEDDED_ROWS)]),
    "plain": (pa.binary(), [None if n == 5 else picture(n) for n in range(EMBEDDED_ROWS)]),
}
WINDOW_ROWS = 60
# Windows of two sensors, of six subjects.
WINDOWS = {
    "activity": (pa.string(), [["walk", "sit"][n % 2] for n in range(WINDOW_ROWS)]),
    "subject": (pa.int32(), [1600 + n // 10 for n in range(WINDOW_ROWS)]),
    "accel": (pa.list_(pa.float32()), [window(n, 0) for n in range(WINDOW_ROWS)]),
    "gyro": (pa.list_(pa.float32()), [window(n, 1) for n in range(WINDOW_ROWS)]),
}


def table(columns):
    arrays = {name: pa.array(values, type=kind) for name, (kind, values) in columns.items()}
    return pa.table(arrays)


def text(value):
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, (bool, float)) else str(value)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    options = {"row_group_size": 6, "store_schema": False}
    whole = table(COLUMNS)
    pq.write_table(whole, folder / "snappy.parquet", compression="snappy", **options)
    pq.write_table(
        whole,
        folder / "zstd.parquet",
        compression="zstd",
        use_dictionary=False,
        data_page_version="2.0",
        **options,
    )
    pq.write_table(whole, folder / "plain.parquet", compression="none", use_dictionary=["label", "take"], **options)
    pq.write_table(table(NESTED), folder / "nested.parquet", compression="none", store_schema=False)
    pq.write_table(table(NUMBERS), folder / "numbers.parquet", compression="snappy", store_schema=False)
    pq.write_table(table(EMBEDDED), folder / "embedded.parquet", compression="zstd", row_group_size=10, store_schema=False)
    pq.write_table(table(WINDOWS), folder / "windows.parquet", compression="zstd", store_schema=False)
    only = whole.select(["id", "label"])
    pq.write_table(only, folder / "gzip.parquet", compression="gzip", store_schema=False)
    pq.write_table(
        only,
        folder / "delta.parquet",
        compression="none",
        use_dictionary=False,
        column_encoding={"id": "DELTA_BYTE_ARRAY", "label": "DELTA_LENGTH_BYTE_ARRAY"},
        store_schema=False,
    )
    rows = [dict(zip(COLUMNS, values)) for values in zip(*(values for _, values in COLUMNS.values()))]
    with open(folder / "table.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow("" if isinstance(value, list) else text(value) for value in row.values())
    with open(folder / "table.jsonl", "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")


main(pathlib.Path(sys.argv[1]))
