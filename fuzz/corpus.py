"""Writes the corpus: for each target some small files that it accepts.

Needs ffmpeg for the compressed formats. What fuzzing found is beside them, as `found-*`, and stays.
"""

import io
import json
import struct
import subprocess
import tarfile
import wave
import zipfile
import zlib
from pathlib import Path

HERE = Path(__file__).parent


def write(target, name, content):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    (folder / name).write_bytes(content)


def png(width, height, depth, color, rows, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def bmp(width, height, bits, compression, colors, body):
    offset = 54 + len(colors)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 2835, 2835, len(colors) // 4, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + colors + body


def tiff(width, height, channels, body, order=">"):
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 2 if channels > 1 else 1), (273, 8), (274, 6), (277, channels), (278, height), (279, len(body))]
    directory = struct.pack(order + "H", len(entries))
    for tag, value in entries:
        # Bits of several channels would stand elsewhere, where they are as many as the picture's first bytes say.
        count = channels if tag == 258 and channels > 1 else 1
        directory += struct.pack(order + "HHII", tag, 4, count, 8 + len(body) if count > 1 else value)
    depths = struct.pack(f"{order}{channels}I", *[8] * channels) if channels > 1 else b""
    head = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "I", 8 + len(body) + len(depths))
    return head + body + depths + directory + struct.pack(order + "I", 0)


def palette():
    data = bytes([255, 0, 0, 0, 0, 255])
    return struct.pack(">I", 6) + b"PLTE" + data + struct.pack(">I", zlib.crc32(b"PLTE" + data))


def sound(kind, width=2, channels=1):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(8000)
        out.writeframes(bytes(range(24 * width * channels)))
    content = file.getvalue()
    return content.replace(b"WAVEfmt \x10\0\0\0\1\0", b"WAVEfmt \x10\0\0\0\3\0") if kind == "float" else content


def ffmpeg(source, *output):
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-bitexact", *output, "pipe:1"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def tar(members, kind):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=kind) as out:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return file.getvalue()[: 512 * (2 + sum(2 + 4 * (len(name) > 99) for name, _ in members))]


def npy(descr, order, shape, values, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + values


def npz(arrays, method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as out:
        for name, content in arrays:
            out.writestr(zipfile.ZipInfo(f"{name}.npy"), content, method)
    return file.getvalue()


def element(kind, data):
    padding = b"" if kind == 15 else bytes(-len(data) % 8)
    return struct.pack("<II", kind, len(data)) + data + padding


def matrix(name, shape, kind, values):
    extents = struct.pack(f"<{len(shape)}i", *shape)
    parts = [element(6, bytes([6, 0, 0, 0, 0, 0, 0, 0])), element(5, extents), element(1, name), element(kind, values)]
    return element(14, b"".join(parts))


def safetensors(header, body):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


write(
    "config",
    "all-tables.toml",
    """[run]
epochs = 2
validation = 0.2
cache = "runs/${HOME}"
[data]
kind = "scene"
[modality.camera]
kind = "rgb"
[modality.ear]
kind = "audio"
source = "microphone"
[fusion]
kind = "concat"
head = { hidden = [8, 8], dropout = 0.5 }
[blend]
kind = "ogr"
predict = "mean"
[optimizer]
kind = "adam"
clip_norm = 1.0
schedule = { kind = "cosine" }
""",
)
write(
    "config",
    "manifest.toml",
    """[data]
kind = "manifest"
table = "clips.csv"
label = "label"
split = { validation = 0.1, test = 0.2 }
[data.streams]
sound = { path = "{clip}.wav", media = "waveform" }
[modality.sound]
kind = "audio"
[blend]
kind = "fixed"
weights = { sound = 0.5, joint = 0.5 }
""",
)
write("overrides", "values", "run.epochs=3\nblend.kind=equal\noptimizer.clip_norm=0.5\nfusion.head.hidden=[4, 4]")
write("overrides", "kinds", "optimizer.kind=adamw\nmodality.camera.kind=rgb\nrun.cache=\"a\"\nrun.validation=0.25")
write("curves", "two-heads.csv", "head,epoch,train_loss,val_loss\na,0,2.0,2.1\nb,0,1,1e-3\na,9,1.5,1.9\nb,9,.5,7\n")
write("curves", "quoted.csv", 'epoch,"head",val_loss,train_loss,more\r\n0,"a,""b",1,2,\r\n1,"a,""b",1,2,x\r\n')
write("test_samples", "right.csv", "sample,group,label,accuracy.joint,accuracy.pool\na,s1,cat,1,0\nb,s2,dog,,1\n")
write("test_samples", "errors.csv", 'sample,group,label,mae.joint\r\n"a,""b",,2.5,1e-3\r\nc,,-1,.25\r\n')
write("table_csv", "plain.csv", "\ufeffid,label,path\na, 3,x/1.wav\nb,,\n")
write("table_csv", "quoted.csv", 'id,"la""bel"\r\n"a\nb",1\r\n"",2\r\n')
write("table_json", "plain.jsonl", '{"id": "a", "label": 3}\n\n{"id": "b", "ok": true, "x": null}\n')
write("table_json", "lists.jsonl", '{"labels": ["a", 1], "\\u00e9": -1.5e300}\n{"labels": []}\n')
write("number_lists", "lists.csv", 'id,numbers\na,"[1, 2.5, null]"\nb,\nc,"[[1, 2], [3, 4]]"\n')
write("number_lists", "lists.jsonl", '{"id": "a", "numbers": [1, true, -1e30]}\n{"numbers": [[1, 2], [3, 4], [5, 6]]}\n{"numbers": 3}\n')
tables = HERE.parent / "gblend-cli/tests/fixtures/tables"
for name in ["plain", "snappy", "zstd", "numbers", "embedded"]:
    write("table_parquet", f"{name}.parquet", (tables / f"{name}.parquet").read_bytes())
write("template", "columns", "s1/{clip}/{{{part}}}.mpg\nclip,part\na7,x\n,y\n")
write("template", "text", "plain.png\nid\n1\n")
members = [("a/1.png", b"picture"), ("a/1.cls", b"3\n"), ("b.seg/2.json", b'{"who": "ann", "list": [1]}')]
write("shard", "gnu.tar", tar(members, tarfile.GNU_FORMAT))
write("shard", "long-gnu.tar", tar([("d" * 99 + "/1.txt", b"t")], tarfile.GNU_FORMAT))
write("shard", "pax.tar", tar([("d\u00e9" * 60 + "/1.txt", b"t")], tarfile.PAX_FORMAT))
write("npy", "f4", npy("<f4", False, (2, 3), bytes(24)))
write("npy", "fortran-i2", npy(">i2", True, (2, 3, 1), bytes(12), version=2))
write("npy", "scalar-f8", npy("<f8", False, (), bytes(8), version=3))
write("npy", "bool", npy("|b1", False, (4,), bytes([0, 1, 0, 1])))
arrays = [("x", npy("<f4", False, (2, 3), bytes(24))), ("y", npy("|u1", False, (1, 2, 3), bytes(6)))]
write("npz_rows", "stored.npz", npz(arrays, zipfile.ZIP_STORED))
write("npz_rows", "packed.npz", npz(arrays[:1], zipfile.ZIP_DEFLATED))
pixels = bytes(range(24))
write("picture", "rgb.png", png(4, 2, 8, 2, [pixels[:12], pixels[12:]]))
write("picture", "alpha-16.png", png(1, 3, 16, 6, [pixels[:8], pixels[8:16], pixels[16:]]))
write("picture", "palette-1.png", png(9, 2, 1, 3, [b"\xa5\x80", b"\x5a\0"], palette()))
write("picture", "color.jpeg", ffmpeg("testsrc=size=16x16", "-frames:v", "1", "-f", "mjpeg"))
write("picture", "rgb.bmp", bmp(2, 2, 24, 0, b"", pixels[:16]))
write("picture", "runs.bmp", bmp(4, 2, 8, 1, pixels[:8], b"\x04\x01\0\0\x02\0\x02\x01\0\x01"))
write("picture", "gray.tiff", tiff(3, 2, 1, pixels[:6]))
write("picture", "rgb.tiff", tiff(2, 2, 3, pixels[:12], "<"))
# As Pillow writes one color, lossless with opacity and lossy.
write("webp", "lossless.webp", bytes.fromhex("524946461e000000574542505650384c110000002f024000100750b22257a6808188e87f0000"))
write("webp", "lossy.webp", bytes.fromhex("52494646300000005745425056503820240000007001009d012a1000100007409625a0027401400000fccaeb8b9b230d7a95843764c80000"))
write("depth_image", "gray-16.png", png(3, 2, 16, 0, [pixels[:6], pixels[6:12]]))
write("depth_image", "gray-16.pgm", b"P5\n# from a Kinect\n3 2\n65535\n" + pixels[:12])
for target in ["wav", "recording"]:
    write(target, "int-16.wav", sound("int"))
    write(target, "int-24-stereo.wav", sound("int", 3, 2))
    write(target, "float-32.wav", sound("float", 4))
    for name, codec in [("ima", "adpcm_ima_wav"), ("ms", "adpcm_ms"), ("a-law", "pcm_alaw"), ("mu-law", "pcm_mulaw")]:
        write(target, f"{name}.wav", ffmpeg("sine=duration=0.02:sample_rate=8000", "-c:a", codec, "-f", "wav"))
tone = "sine=frequency=440:duration=0.05:sample_rate=8000"
write("sound", "tone.flac", ffmpeg(tone, "-f", "flac", "-compression_level", "8"))
write("sound", "tone.mp3", ffmpeg(tone, "-f", "mp3", "-b:a", "8k"))
write("sound", "tone.ogg", ffmpeg(tone, "-c:a", "libvorbis", "-q:a", "0", "-f", "ogg"))
pack = bytes([0, 0, 1, 0xBA, 0x21, 0, 1, 0, 1, 0x80, 0x14, 0x25])
pack_2 = bytes([0, 0, 1, 0xBA, 0x44, 0, 4, 0, 4, 1, 0, 3, 0xFF, 0xFA, 0xFF, 0xFF])
packet = bytes([0, 0, 1, 0xE0, 0, 5, 1, 2, 3, 4, 5])
write("video", "packets.mpg", pack + packet + packet + bytes([0, 0, 1, 0xB9]))
write("video", "packets-2.mpg", pack_2 + packet)
write("video", "boxes.mp4", struct.pack(">I", 12) + b"ftypisom" + struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 20) + bytes(4))
write("video", "segment.mkv", bytes([0x1A, 0x45, 0xDF, 0xA3, 0x82, 1, 2, 0x18, 0x53, 0x80, 0x67, 0x84]) + bytes(4))
write("video", "tags.flv", b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + bytes([8, 0, 0, 3] + [0] * 7 + [1, 2, 3]) + struct.pack(">I", 14))
asf = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
write("video", "objects.wmv", asf + struct.pack("<Q", 30) + bytes(6) + bytes([0x36] * 16) + struct.pack("<Q", 24))
key = bytes([6, 0x0E, 0x2B, 0x34]) + bytes(12)
write("video", "keys.mxf", key + bytes([3, 1, 2, 3]) + key + bytes([0x82, 0, 4, 1, 2, 3, 4]))
write("video", "page.ogg", b"OggS\0\4" + bytes(20) + bytes([2, 3, 1, 7, 7, 7, 7]))
write("video", "packets.ts", (b"\x47" + bytes(187)) * 4)
write("video", "trailer.gif", b"GIF89a" + bytes(9) + b";")
write("video", "riff.avi", b"RIFF" + struct.pack("<I", 28) + b"AVI LIST" + struct.pack("<I", 16) + b"movi00dc" + struct.pack("<I", 4) + bytes(4))
write("decoded_video", "two.ppm", b"P6\n2 1\n255\n" + pixels[:6] + b"P6 1 1 255 " + pixels[:3])
write("decoded_video", "stereo.au", b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 6, 8000, 2) + bytes(32))
pictures = bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 2, 3) + pixels[:12]
write("idx", "pictures", pictures)
write("idx", "labels", bytes([0, 0, 8, 1]) + struct.pack(">I", 5) + bytes(5))
packer = zlib.compressobj(9, wbits=31)
write("idx", "pictures.gz", packer.compress(pictures) + packer.flush())
# The hashes of 24 and of 4 zeros.
hashes = {
    (2, 3): "db27f030ad8e467c098bebb9e7c39e0acaf794b9bbd83cea95d93e08d60827a7",
    (1,): "ec2bd03bf86b935fa34d71ad7ebb049f1f10f87d343e521511d8f9e6625620cd",
}
for name, shape, size in [("one", (1,), 4), ("matrix", (2, 3), 24)]:
    header = {"shape": shape, "samples": 1, "blake3": hashes[shape]}
    text = json.dumps(header, separators=(",", ":"))
    write("segment", name, f"gblend-segment-1\n{text}\n".encode() + bytes(size))
tensors = {
    "camera.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "joint.bias": {"dtype": "F32", "shape": [], "data_offsets": [24, 28]},
}
write("model_weights", "two", safetensors(tensors, bytes(28)))
write("model_weights", "metadata", safetensors({"__metadata__": {"a": "b"}}, b""))
halves = {"x": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}
write("safetensors_rows", "halves", safetensors({"__metadata__": {"a": "b"}, **halves}, bytes(12)))
write("safetensors_rows", "two", safetensors(tensors, bytes(28)))
pretrained = {
    "conv.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "norm.running_var": {"dtype": "F32", "shape": [2], "data_offsets": [16, 24]},
    "fc.bias": {"dtype": "F32", "shape": [1], "data_offsets": [24, 28]},
}
write("pretrained", "single", safetensors(pretrained, bytes(28)))
pretrained = {
    "bn.running_var": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]},
    "conv.weight": {"dtype": "F64", "shape": [2, 2], "data_offsets": [4, 36]},
    "bn.num_batches_tracked": {"dtype": "I64", "shape": [], "data_offsets": [36, 44]},
}
write("pretrained", "others", safetensors(pretrained, bytes(44)))
model = {
    "format": "gblend-model-1",
    "gblend": "0.1.0",
    "classes": ["a", "b"],
    "modalities": [{"name": "camera", "sample_shape": [3, 8, 8, 1]}],
    "epoch": 2,
    "blake3": "00",
}
write("run_files", "model.json", json.dumps(model))
scores = {"test_accuracy": 0.5, "test_macro_f1": 0.5, "test_loss": 1.5}
summary = {
    "seed": 1,
    "device": "cpu",
    "threads": 2,
    "strategy": "equal",
    "epochs": 2,
    "selected_epoch": 1,
    "heads": [{"name": "camera", "kind": "rgb", "test_samples": 2, **scores, "weight": 0.5}],
    "predict": "joint",
    "predictions": [{"rule": "joint", **scores}],
    "blends": [],
    "seconds": {"prepare": 0.1, "train": 1, "estimate": 0, "evaluate": 0.1, "total": 1.2},
    "samples_per_second": 100.5,
}
write("run_files", "summary.json", json.dumps(summary))
matrix_of = {"name": "joint", "samples": 3, "counts": {"matrix": [[1, 1], [0, 1]]}}
each = [{"true_positives": 1, "false_positives": 0, "false_negatives": 1, "true_negatives": 1}] * 2
test = {
    "classes": ["a", "b"],
    "prediction": matrix_of,
    "heads": [matrix_of, {"name": "camera", "samples": 3, "counts": {"per_class": each}}],
    "subsets": [{"modalities": ["camera"], "accuracy": 0.5, "loss": 1.0}],
}
write("run_files", "test.json", json.dumps(test))
neighbors = {
    "format": "gblend-neighbors-1", "among": 9, "labels": ["look"],
    "samples": [
        {"id": "a", "labels": ["ball"], "shown": [{"picture": "iVBORw=="}, {"text": "a"}]},
        {"id": "b", "labels": [None], "shown": [None, {"text": "b"}]},
    ],
    "towers": [
        {"name": "camera", "queries": []},
        {"name": "caption", "queries": [{"sample": 0, "initial": [1], "trained": [1]}]},
    ],
}
write("run_files", "neighbors.json", json.dumps(neighbors))
advice = {
    "format": "gblend-advice-1", "strategy": "famo",
    "advice": {
        "weights": "adapted",
        "remedies": [{"finding": "starved_head", "remedy": "r"}],
        "figures": [{"name": "f", "values": [0.5, None, -1e3]}],
        "remarks": ["s"],
    },
}
write("run_files", "advice.json", json.dumps(advice))
difference = {"to": "single:camera", "mean": 0.1, "ci95": 0.05, "significant": True}
row = {
    "method": "ogr", "modalities": ["camera"], "fusion": "concat", "seeds": [0, 1], "test_accuracy": [0.5, 0.6],
    "mean": 0.55, "ci95": 0.6, "paired_difference_to_best_single": difference, "seconds": 1.5, "runs": ["cells/ogr/seed-0"],
}
point = {"weights": [0.5, 0.5], "test_accuracy": [0.5, 0.6], "mean": 0.55}
simplex = {"heads": ["camera", "joint"], "steps": 2, "points": [point], "estimate": point, "regret": difference}
compare = {
    "format": "gblend-compare-1", "gblend": "0.1.0", "modalities": ["camera"], "predict": "joint", "test_samples": 3,
    "rows": [row], "simplex": simplex, "left_out": [{"method": "ogr", "seed": 2, "problem": "p"}],
}
write("run_files", "compare.json", json.dumps(compare))
tally = {"right": 1.0, "loss": 2.0, "samples": 3, "weight": 0.5}
counts = {"tallies": [tally], "steps": 1, "learning_rate": 0.1, "largest_gradient_norm": None, "seconds": [1.0, 0.5]}
description = {
    "gblend": "0.1.0", "splits": "0", "position": {"epoch": 1, "batches": 1, "step": 1}, "blend": {"weights": [1.0]},
    "estimated": True, "blends": [], "counts": counts, "weights": [1.0],
    "best": {"epoch": 1, "figure": 0.5, "weights": [1.0], "blake3": "0"}, "samples": 3, "seconds": [1.0, 2.0, 0.5],
    "logs": {"metrics.jsonl": 10},
}
checkpoint = {"format": "gblend-checkpoint-1", "arrays": "0", "checksum": "0", "description": description}
write("run_files", "checkpoint.json", json.dumps(checkpoint))
number = {"column": 0, "mean": 1.5, "deviation": 0.5, "missing": 1}
numbers = [number, {**number, "column": 1, "missing": 0}]
categories = [{"column": 2, "values": [None, 1.0, 2.0]}]
vector = {"columns": 3, "numbers": numbers, "categories": categories}
write("fitted", "vector.json", json.dumps({"value": vector, "summary": ["2 columns standardized"]}))
features = [{"mean": 1.0, "deviation": 2.0}, {"mean": 0.0, "deviation": 0.0}]
write("fitted", "sequence.json", json.dumps({"value": {"features": features, "steps": 9, "missing": 1}}))


def tokenizer(name, model, pre_tokenizer, normalizer):
    description = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": None, "model": model,
    }
    write("tokenizer", name, json.dumps(description))
    value = {"tokenizer": description, "tokens": [0, 1, 2], "share": 1.0}
    write("fitted", name, json.dumps({"value": value}))


words = {"[UNK]": 0, "the": 1, "tide": 2, "##e": 3, "t": 4}
level = {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"}
tokenizer("words.json", level, {"type": "Whitespace"}, {"type": "Lowercase"})
piece = {
    "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": words,
}
bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
tokenizer("pieces.json", piece, {"type": "BertPreTokenizer"}, bert)
pairs = {
    "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
    "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
    "vocab": {"t": 0, "h": 1, "e": 2, "th": 3, "the": 4}, "merges": [["t", "h"], ["th", "e"]],
}
by_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
tokenizer("pairs.json", pairs, by_bytes, {"type": "Sequence", "normalizers": [{"type": "NFC"}]})
unigram = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["t", -1.0], ["he", -2.5]], "byte_fallback": False}
metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
tokenizer("unigram.json", unigram, metaspace, {"type": "NFKC"})
losses = {"train": [0.5, None], "held_out": [0.7]}
progress = {"epoch": 2, "batches": 1, "step": 5}
content = {"origin": "0", "position": progress, "course": {"before": losses, "after": [losses]}, "arrays": "0"}
probe = {"format": "gblend-checkpoint-1", "checksum": "0", "content": content}
write("run_files", "probe.json", json.dumps(probe))
write("flo", "field.flo", b"PIEH" + struct.pack("<ii8f", 2, 2, *[1.5, -2, 1e10, 0, 0, 0, 3, 4]))
header = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
other = matrix(b"other", [1, 1], 7, struct.pack("<f", 1.5))
values = matrix(b"d_iner", [2, 3], 9, struct.pack("<6d", *range(6)))
write("matlab", "plain.mat", header + other + values)
write("matlab", "compressed.mat", header + element(15, zlib.compress(other)) + element(15, zlib.compress(values)))
small = element(14, element(6, bytes([10, 0, 0, 0, 0, 0, 0, 0])) + element(5, struct.pack("<2i", 1, 1))
                + element(1, b"d_iner") + struct.pack("<HHhxx", 3, 2, -1))
write("matlab", "beside-the-tag.mat", header + small)
