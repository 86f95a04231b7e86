"""What Python's `csv` module reads in tables that a test of gblend-cli made: values and lines, or why they are none.

    GBLEND_CSV_TABLES=/tmp/tables.json cargo test --workspace --lib -- --ignored writes_the_tables
    python xtask/peers/csv_tables.py /tmp/tables.json > gblend-cli/tests/fixtures/csv_tables.json

The tables are stored with the answers. Needs nothing but Python.
"""

import csv
import io
import json
import re
import sys


def read(data, separator):
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return {"refused": "UTF-16", "line": 1}
    if b"\0" in data:
        return {"refused": "zero", "line": line_of(data, data.index(b"\0"))}
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return {"refused": "no UTF-8", "line": line_of(data, error.start)}
    rows, lines, before = [], [], 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    for row in reader:
        if row:
            rows.append([cell.strip() for cell in row])
            lines.append(before + 1)
        before = reader.line_num
    open_quote = False
    try:
        list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        # Text behind a closing quote is read; a quote that nothing closes is not.
        open_quote = "unexpected end" in str(error) or not closed(text, separator)
    header = rows[0]
    for number, (row, line) in enumerate(zip(rows, lines)):
        if open_quote and number == len(rows) - 1:
            return {"refused": "has no end", "line": None}
        if number > 0 and len(row) != len(header):
            return {"refused": f"found {len(row)} cells, expected {len(header)}", "line": line}
    if len(set(header)) < len(header):
        return {"refused": "two columns", "line": None}
    return {"header": header, "rows": rows[1:], "lines": lines[1:]}


def closed(text, separator):
    """Whether the last row ends where a row may: a cell more behind it is a cell of its own."""
    rows = [row for row in csv.reader(io.StringIO(text + separator + "END", newline=""), delimiter=separator) if row]
    return rows[-1][-1] == "END"


def line_of(data, at):
    return 1 + len(re.findall(rb"\r\n|\r|\n", data[:at]))


def main():
    tables = json.load(open(sys.argv[1]))
    for table in tables:
        table["python"] = read(bytes.fromhex(table["bytes"]), table["separator"])
    print("[\n" + ",\n".join(json.dumps(table) for table in tables) + "\n]")


main()
