"""A front end in Python for exported models of vectors, sequences and texts, from nothing but the model's metadata.

`make FOLDER` writes a table, its arrays and a configuration; `compare FOLDER` holds what this file makes of them against what
`gblend export --inputs` wrote."""

import csv
import json
import pathlib
import random
import struct
import sys
import unicodedata

import blake3
import numpy as np
import onnxruntime
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

CONFIGURATION = """
[run]
epochs = 4
batch_size = 8
validation = 0.3

[data]
kind = "manifest"
table = "table.csv"
id = "id"
label = "label"
split = "split"

[data.streams.body]
columns = ["height", "weight", "color"]
categories = ["color"]
media = "array"

[data.streams.title]
column = "title"
media = "text"

[data.streams.series]
path = "{id}.npy"
media = "array"

[modality.body]
kind = "vector"
category_width = 3
indicators = true

[modality.title]
kind = "text"
length = 12
encoder = { architecture = "gru", units = 6 }

[modality.words]
kind = "text"
source = "title"
length = 8
tokenizer = "tokenizer.json"
encoder = { architecture = "bert", width = 8, heads = 2, hidden = 8, depth = 1, positions = 9 }

[modality.hand]
kind = "sequence"
source = "series"
length = 7
encoder = { architecture = "transformer", width = 8, heads = 2, hidden = 8 }

[fusion]
kind = "gated"

[optimizer]
kind = "adam"
learning_rate = 0.01

[blend]
kind = "equal"
"""


def standardized(value, figures, clip):
    """A number in deviations from the mean; 0 of a missing one and in a column that does not vary."""
    if np.isnan(value) or figures["deviation"] == 0:
        return 0.0
    return float(np.clip((value - figures["mean"]) / figures["deviation"], -clip, clip))


def category(name):
    """The number that gblend has for a name: a hash, as one of 251,658,240 of the largest floats."""
    hashed = int.from_bytes(blake3.blake3(name.encode()).digest()[:8], "little") % 251_658_240
    bits = (hashed & 1) << 31 | (239 << 23) + (hashed >> 1)
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def vector(cells, told):
    """Of cells in the order of the columns: numbers, NaN where one is missing, and names of categories, None where one is."""
    fitted, settings = told["fitted"]["value"], told["settings"]
    numbers = fitted["numbers"]
    values = [standardized(cells[of["column"]], of, settings["clip"]) for of in numbers]
    if settings["indicators"]:
        values += [float(np.isnan(cells[of["column"]])) for of in numbers if of["missing"] > 0]
    for of in fitted["categories"]:
        name = cells[of["column"]]
        known = {code: place for place, code in enumerate(of["values"])}
        place = known.get(None if name is None else category(name))
        if settings.get("category_width") is None:
            values += [float(place == other) for other in range(len(known))]
        else:
            values.append(0.0 if place is None else place + 1.0)
    return values


def sequence(steps, told):
    """Of `[steps, features]`: the middle of those that are too many, or all and padding, and which of them are there."""
    fitted, settings = told["fitted"]["value"], told["settings"]
    length = settings["length"]
    first = max(0, (len(steps) - length) // 2)
    steps = steps[first : first + length]
    values = np.zeros((length, len(fitted["features"])), np.float32)
    for feature, figures in enumerate(fitted["features"]):
        for step, of_step in enumerate(steps):
            values[step, feature] = standardized(of_step[feature], figures, settings["clip"])
    return values, np.arange(length) < len(steps)


def text(words, told):
    """Numbers of tokens: 1 of one that was too rare in training, 0 of none."""
    fitted, settings = told["fitted"]["value"], told["settings"]
    tokenizer = Tokenizer.from_str(json.dumps(fitted["tokenizer"]))
    if fitted.get("every_token"):
        tokenizer.enable_truncation(settings["length"])
        values = [token + 1 for token in tokenizer.encode(unicodedata.normalize("NFC", words)).ids]
        return values + [0] * (settings["length"] - len(values))
    numbers = {token: place + 2 for place, token in enumerate(fitted["tokens"])}
    tokens = tokenizer.encode(unicodedata.normalize("NFC", words), add_special_tokens=False).ids
    values = [numbers.get(token, 1) for token in tokens[: settings["length"]]]
    return values + [0] * (settings["length"] - len(values))


def make(folder):
    draw = random.Random(1)
    words = "tide ebbe marée flut höchst dunkel hell light dark neither blue shirt".split()
    with open(folder / "table.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "label", "split", "height", "weight", "color", "title"])
        for sample in range(160):
            of = sample % 3
            height = "" if sample % 11 == 5 else f"{of + draw.gauss(0, 0.7):.3f}"
            title = " ".join(draw.choice(words[of * 3 : of * 3 + 6]) for _ in range(draw.randint(1, 9)))
            color = ["red", "green", "blue"][(of + draw.randint(0, 1)) % 3]
            split = "train" if sample < 120 else "test"
            label = ["low", "mid", "high"][of]
            table.writerow([f"s{sample}", label, split, height, f"{draw.gauss(of, 1) * 100:.2f}", color, title])
            steps = [[of - 1 + draw.gauss(0, 1), draw.gauss(0, 3)] for _ in range(draw.randint(1, 10))]
            np.save(folder / f"s{sample}.npy", np.array(steps, np.float32))
    (folder / "config.toml").write_text(CONFIGURATION)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, *"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abdeghilmrtu")]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))


def compare(folder):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    told = {one["modality"]: one for one in json.loads(properties["gblend.inputs"])}
    rows = list(csv.DictReader(open(folder / "table.csv", newline="")))
    number = lambda cell: float(cell) if cell else float("nan")
    bodies = [[number(row["height"]), number(row["weight"]), row["color"] or None] for row in rows]
    hands = [sequence(np.load(folder / f"{row['id']}.npy"), told["hand"]) for row in rows]
    found = {
        "body": np.array([vector(body, told["body"]) for body in bodies], np.float32),
        "title": np.array([text(row["title"], told["title"]) for row in rows]),
        "words": np.array([text(row["title"], told["words"]) for row in rows]),
        "hand": np.array([values for values, _ in hands]),
        "hand.mask": np.array([mask for _, mask in hands]),
    }
    expected = dict(np.load(folder / "inputs.npz"))
    if found.keys() != expected.keys():
        sys.exit(f"inputs {sorted(found)}, expected {sorted(expected)}")
    for name, values in found.items():
        if not np.allclose(values, expected[name], rtol=1e-6, atol=1e-6):
            sys.exit(f"{name} differs by {np.abs(values - expected[name]).max()}")


{"make": make, "compare": compare}[sys.argv[1]](pathlib.Path(sys.argv[2]))
