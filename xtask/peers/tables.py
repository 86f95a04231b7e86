"""Tables of samples as pyarrow writes them, in Parquet, and the same rows as CSV and JSON Lines.

    python xtask/peers/tables.py gblend-cli/tests/fixtures/tables

Needs `pyarrow`.
"""

import csv
import json
import pathlib
import sys
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
