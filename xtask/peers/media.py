"""Sounds, pictures and clips of every kind, and what trusted readers make of them.

    python xtask/peers/media.py gblend-cli/tests/fixtures/media

Needs `numpy`, `soundfile`, `pillow`, `opencv-python-headless` and the program `ffmpeg`. Writes an archive of files for each,
with `cases.json`, which says of each file what it is, and beside it the samples or pixels that it has: `.f32` and `.u8`; of
clips the means of a grid over each frame. What only one of the readers takes otherwise than the others is told on the standard
error stream.
"""

import io
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zipfile

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import soundfile

PCM, MS, FLOAT, A_LAW, MU_LAW, IMA, EXTENSIBLE = 1, 2, 3, 6, 7, 0x11, 0xFFFE
GUID = bytes([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71])
# Tag, bits of the container, soundfile's name.
CODINGS = {
    "8": (PCM, 8, "PCM_U8"),
    "16": (PCM, 16, "PCM_16"),
    "24": (PCM, 24, "PCM_24"),
    "32": (PCM, 32, "PCM_32"),
    "float": (FLOAT, 32, "FLOAT"),
    "double": (FLOAT, 64, "DOUBLE"),
    "a-law": (A_LAW, 8, "ALAW"),
    "mu-law": (MU_LAW, 8, "ULAW"),
    # libsndfile and ffmpeg round the steps of a prediction each in their own way; gblend does as libsndfile.
    "ima": (IMA, 4, "IMA_ADPCM"),
    "ms": (MS, 4, "MS_ADPCM"),
}


def chunk(name, body, pad=True):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (pad and len(body) % 2)


def chunks_of(file):
    at, found = 12, {}
    while at + 8 <= len(file):
        (size,) = struct.unpack_from("<I", file, at + 4)
        found[file[at : at + 4]] = file[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return found


def wav(parts, riff=None):
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body) + 4 if riff is None else riff) + b"WAVE" + body


def read(file):
    """The mean of the channels as 32-bit floats, and the rate."""
    values, rate = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
    total = np.zeros(len(values), np.float32)
    for channel in values.T:
        total = total + channel
    return (total / np.float32(values.shape[1])).astype(np.float32), rate


def sound(draw, number):
    coding = list(CODINGS)[number % len(CODINGS)]
    tag, bits, subtype = CODINGS[coding]
    channels = draw.choice([1, 2] if tag in (IMA, MS) else [1, 1, 2, 3, 6])
    rate = draw.choice([8000, 11025, 16000, 44100, 48000, 96000])
    frames = draw.randrange(1, 90)
    rng = np.random.default_rng(number)
    smooth = np.sin(np.cumsum(rng.uniform(0, 0.6, (frames, channels)), axis=0)) * rng.uniform(0.1, 1)
    plain = io.BytesIO()
    soundfile.write(plain, smooth, rate, subtype=subtype, format="WAV")
    found = chunks_of(plain.getvalue())
    data, form, fact = found[b"data"], found[b"fmt "], found.get(b"fact")
    what = [coding, f"{channels} channels", f"{rate} Hz"]
    # As the header has them that soundfile writes for the same sound; the plain ones of 16 bytes are made here.
    width = bits // 8 * channels
    if tag not in (IMA, MS):
        head = struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits)
        valid = bits
        extended = draw.random() < 0.4
        if tag == PCM and extended and bits > 8 and draw.random() < 0.6:
            valid = bits - draw.choice([4, 8])
        form = head if tag == PCM else head + b"\0\0"
        if extended:
            mask = {1: 4, 2: 3, 3: 7, 6: 63}[channels]
            form = struct.pack("<H", EXTENSIBLE) + head[2:] + struct.pack("<HHI", 22, valid, mask) + struct.pack("<H", tag) + GUID
            what.append(f"extensible with {valid} valid bits")
        if tag != PCM and draw.random() < 0.5:
            fact = struct.pack("<I", len(data) // width)
    before = []
    for _ in range(draw.choice([0, 0, 1, 2])):
        name = draw.choice([b"LIST", b"bext", b"JUNK", b"id3 ", b"cue "])
        length = draw.choice([4, 15, 26, 603])
        body = b"INFO" + bytes(length - 4) if name == b"LIST" else bytes(draw.randrange(256) for _ in range(length))
        before.append(chunk(name, body))
        what.append(f"{name.decode()} of {length}")
    after = [chunk(b"LIST", b"INFOISFT\6\0\0\0Lavf59")] if draw.random() < 0.3 else []
    parts = [chunk(b"fmt ", form)] + ([chunk(b"fact", fact)] if fact else [])
    at = draw.choice([0, len(parts)])
    parts[at:at] = before
    right = wav(parts + [chunk(b"data", data)] + after)
    kind = draw.choice(["right"] * 6 + ["ffffffff", "0", "sox", "riff", "cut", "remainder"])
    file, expected = right, None
    body = b"data" + struct.pack("<I", len(data)) + data
    block = struct.unpack_from("<H", form, 12)[0]
    if kind == "ffffffff":
        file = wav(parts + [b"data\xff\xff\xff\xff" + data], 0xFFFFFFFF)
    elif kind == "0":
        file = wav(parts + [b"data\0\0\0\0" + data], 0)
    elif kind == "sox":
        file = wav(parts + [b"data" + struct.pack("<I", 0x7FFFF000 // block * block) + data], 0x7FFFF024)
    elif kind == "riff":
        size = sum(map(len, parts)) + len(body) + 4
        file = wav(parts + [chunk(b"data", data)], draw.choice([size + 8, size - 8, 36, 1 << 20]))
    elif kind == "cut":
        file, expected = wav(parts + [body])[: -draw.randrange(1, len(data) + 1)], "cut short"
    elif kind == "remainder" and block > 1 and block % 2 == 0:
        file, expected = wav(parts + [chunk(b"data", data[:-1])]), "cut short"
    what.append(f"sizes: {kind}")
    if expected is None:
        samples, found_rate = read(right)
        assert found_rate == rate
        try:
            other, _ = read(file)
            if len(other) != len(samples) or not np.array_equal(other, samples, equal_nan=True):
                print(f"sound {number} ({', '.join(what)}): soundfile finds {len(other)} of {len(samples)} samples", file=sys.stderr)
        except soundfile.LibsndfileError as error:
            print(f"sound {number} ({', '.join(what)}): soundfile refuses it: {error}", file=sys.stderr)
        expected = samples
    return file, expected, {"what": ", ".join(what), "rate": rate}


def with_orientation(jpeg, orientation):
    exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation, 0, 0, 0, 0, 0, 0])
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def png(pixels, depth, color, palette=None, transparent=None, interlaced=False):
    """A png of any depth: Pillow and OpenCV write few of them. `pixels` is [height, width, channels]."""
    import zlib

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def packed(rows):
        lines = []
        for row in rows:
            values = row.reshape(-1)
            if depth == 16:
                line = values.astype(">u2").tobytes()
            elif depth == 8:
                line = values.astype(np.uint8).tobytes()
            else:
                text = "".join(format(int(value), f"0{depth}b") for value in values)
                text += "0" * (-len(text) % 8)
                line = bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
            lines.append(b"\0" + line)
        return b"".join(lines)

    height, width = pixels.shape[:2]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
        data = b"".join(
            packed(pixels[y::dy, x::dx]) for y, x, dy, dx in passes if pixels[y::dy, x::dx].size
        )
    else:
        data = packed(pixels)
    out = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced)))
    if palette is not None:
        out += part(b"PLTE", palette)
    if transparent is not None:
        out += part(b"tRNS", transparent)
    return out + part(b"IDAT", zlib.compress(data, 9)) + part(b"IEND", b"")


def over_black(image):
    black = PIL.Image.new("RGBA", image.size, (0, 0, 0, 255))
    return np.asarray(PIL.Image.alpha_composite(black, image.convert("RGBA")).convert("RGB"))


def picture(draw, number):
    height, width = draw.randrange(5, 14), draw.randrange(5, 18)
    rng = np.random.default_rng(number)
    kind = ["L1", "L2", "L4", "L8", "L16", "LA8", "LA16", "P", "P4", "Pt", "RGB8", "RGB16", "RGBA8", "RGBA16", "jpeg L", "jpeg RGB",
            "jpeg 4:2:0", "jpeg progressive", "jpeg CMYK", "jpeg turned"][number % 20]
    ramp = np.linspace(0, 255, width)[None, :, None] * np.linspace(0.2, 1, height)[:, None, None]
    color = np.clip(ramp * rng.uniform(0.3, 1, 3) + rng.uniform(0, 60, 3), 0, 255).astype(np.uint8)
    what = [kind, f"{width}x{height}"]
    if not kind.startswith("jpeg"):
        depth = int(kind.lstrip("LARGBP") or 0) if kind[-1].isdigit() else {"P": 8, "Pt": 8}[kind]
        depth = {"P4": 4}.get(kind, depth)
        interlaced = number // 20 % 2 == 1
        if interlaced:
            what.append("interlaced")
        channels = {"L": 1, "LA": 2, "P": 1, "Pt": 1, "RGB": 3, "RGBA": 4}[kind.rstrip("0123456789")]
        code = {"L": 0, "LA": 4, "P": 3, "Pt": 3, "RGB": 2, "RGBA": 6}[kind.rstrip("0123456789")]
        pixels = rng.integers(0, 1 << depth, (height, width, channels))
        palette = transparent = None
        if code == 3:
            entries = min(1 << depth, 40)
            pixels %= entries
            palette = bytes(rng.integers(0, 256, 3 * entries, dtype=np.uint8))
            if kind == "Pt":
                transparent = bytes(rng.integers(0, 256, entries, dtype=np.uint8))
        file = png(pixels, depth, code, palette, transparent, interlaced)
        name = "png"
        opened = PIL.Image.open(io.BytesIO(file))
        opened.load()
        if depth == 16:
            # Pillow reads 16 bits by half, and gray ones otherwise than color; the nearest of 255ths is what they are.
            eight = (pixels * 255 + 32767) // 65535
            if channels in (2, 4):
                opaque = eight[..., :-1].astype(float) * eight[..., -1:] / 255
                eight = np.floor(opaque + 0.5)
            expected = eight.astype(np.uint8)
            read = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
            stored = pixels if channels != 2 else pixels[..., :1]
            if channels == 1:
                assert np.array_equal(read, pixels[..., 0]), "OpenCV reads other values"
            elif channels == 3:
                assert np.array_equal(read[..., ::-1], stored), "OpenCV reads other values"
            elif channels == 4:
                assert np.array_equal(read[..., [2, 1, 0, 3]], stored), "OpenCV reads other values"
        elif kind.startswith("LA") or kind in ("Pt", "RGBA8"):
            expected = over_black(opened)
            expected = expected[..., :1] if kind.startswith("LA") else expected
        elif kind.startswith("L"):
            expected = np.asarray(opened.convert("L"))[..., None]
            assert np.array_equal(expected[..., 0], cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_GRAYSCALE))
        else:
            expected = np.asarray(opened.convert("RGB"))
            assert np.array_equal(expected[..., ::-1], cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR))
        return file, expected, name, {"what": ", ".join(what), "tolerance": 1 if "A" in kind or kind == "Pt" or depth == 16 else 0}
    name = "jpg"
    image = PIL.Image.fromarray(color)
    options = {"quality": draw.choice([60, 80, 95]), "subsampling": 0}
    if kind == "jpeg L":
        image = image.convert("L")
    elif kind == "jpeg 4:2:0":
        options["subsampling"] = 2
    elif kind == "jpeg progressive":
        options["progressive"] = True
    elif kind == "jpeg CMYK":
        image = image.convert("CMYK")
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    file = out.getvalue()
    if kind == "jpeg turned":
        orientation = 1 + number // 20 % 5 + draw.randrange(4)
        file = with_orientation(file, orientation)
        what.append(f"orientation {orientation}")
    opened = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(file)))
    gray = kind == "jpeg L"
    expected = np.asarray(opened.convert("L" if gray else "RGB"))
    if gray:
        expected = expected[..., None]
    else:
        other = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert other.shape == expected.shape
        far = np.abs(other.astype(int) - expected).max()
        if far > 3:
            print(f"picture {number} ({', '.join(what)}): OpenCV is up to {far} away from Pillow", file=sys.stderr)
    # Decoders differ in how they transform and how they spread colors over pixels.
    return file, expected, name, {"what": ", ".join(what), "tolerance": 12 if "4:2:0" in kind else 4}


# Container, codec of the pictures and how it holds them, codec of the sound, frames per second.
CLIPS = [
    ("mp4", "libx264", ["yuv420p", "yuvj420p", "yuv444p"], "aac", ["25", "30000/1001", "vary"]),
    ("mp4", "mpeg4", ["yuv420p"], "aac", ["10", "vary"]),
    ("mov", "mjpeg", ["yuvj420p", "yuvj422p", "yuvj444p"], "pcm_s16le", ["12"]),
    ("mov", "libx264", ["yuv422p", "yuv422p10le", "gray"], "alac", ["60"]),
    ("mkv", "libx264", ["yuv420p"], "libvorbis", ["25", "vary"]),
    ("mkv", "ffv1", ["bgr0", "yuv420p", "yuv444p", "gray"], "flac", ["15"]),
    ("webm", "libvpx", ["yuv420p"], "libopus", ["25", "vary"]),
    ("avi", "mpeg4", ["yuv420p"], "pcm_s16le", ["25"]),
    ("avi", "huffyuv", ["yuv422p", "rgb24"], "libmp3lame", ["24"]),
    ("flv", "flv1", ["yuv420p"], "libmp3lame", ["25"]),
    ("wmv", "wmv2", ["yuv420p"], "wmav2", ["25"]),
    ("3gp", "libx264", ["yuv420p"], "aac", ["15"]),
    ("ts", "libx264", ["yuv420p"], "aac", ["25"]),
    ("mpg", "mpeg2video", ["yuv420p"], "mp2", ["25"]),
    ("ogv", "libtheora", ["yuv420p"], "libvorbis", ["25"]),
]
# What a track's head says of pictures that are to be turned clockwise by so many degrees.
TURNS = {90: [0, 1, 0, -1, 0, 0], 180: [-1, 0, 0, 0, -1, 0], 270: [0, -1, 0, 1, 0, 0]}
ROWS, COLUMNS = 4, 6


def scene(frames, height, width):
    """Red rises to the right, green downwards, and blue tells frames apart; two corners are black and white."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pictures = np.empty((frames, height, width, 3), np.uint8)
    for number in range(frames):
        pictures[number] = np.stack([x, y, np.full_like(x, number * 5 % 16 * 17)], axis=-1)
        pictures[number, : height // ROWS, : width // COLUMNS] = 0
        pictures[number, -(height // ROWS) :, -(width // COLUMNS) :] = 255
    return pictures


def grid(frame):
    """The means of cells over a frame of [height, width, channels]: [rows, columns, channels]."""
    rows = np.array_split(frame.astype(float), ROWS, axis=0)
    return np.array([[cell.mean(axis=(0, 1)) for cell in np.array_split(row, COLUMNS, axis=1)] for row in rows])


def turned(file, angle):
    at = file.index(b"tkhd") + 44
    a, b, _, c, d, _ = TURNS[angle]
    return file[:at] + struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30) + file[at + 36 :]


def clip(folder, number):
    container, codec, formats, sound, rates = CLIPS[number % len(CLIPS)]
    turn = number // len(CLIPS)
    pixels, rate = formats[turn % len(formats)], rates[turn % len(rates)]
    frames = 5 + 2 * (number % 4)
    width, height = [(48, 32), (36, 24), (72, 40)][turn % 3]
    what = [container, codec, pixels, f"rate {rate}", f"{frames} frames of {width}x{height}"]
    pictures = scene(frames, height, width)
    path = folder / f"{number:02}.{container}"
    steady = "25" if rate == "vary" else rate
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", steady, "-i", "-"]
    if turn % 2 == 0:
        what.append("with sound")
        command += ["-f", "lavfi", "-i", "sine=sample_rate=44100:duration=0.06", "-c:a", sound]
    filters = "scale=flags=accurate_rnd+full_chroma_int"
    if rate == "vary":
        # Milliseconds, a little early or late.
        filters += ",settb=1/1000,setpts=33*N+16*mod(N\\,3)"
        command += ["-enc_time_base", "1:1000", "-fps_mode", "passthrough"]
    command += ["-vf", filters, "-threads", "1", "-c:v", codec, "-pix_fmt", pixels, "-frames:v", str(frames), "-strict", "-1"]
    command += ["-fflags", "+bitexact", "-flags", "+bitexact"]
    command += ["-crf", "12"] if codec == "libx264" else ["-b:v", "1M"] if codec in ("libvpx", "libtheora") else ["-q:v", "2"]
    subprocess.run(command + [str(path)], input=pictures.tobytes(), check=True)
    angle = [0, 90, 0, 270, 180][(turn + number) % 5] if container in ("mp4", "mov", "3gp") else 0
    if angle:
        what.append(f"turned by {angle}")
        path.write_bytes(turned(path.read_bytes(), angle))
    video, read = cv2.VideoCapture(str(path)), []
    while (found := video.read())[0]:
        read.append(found[1][..., ::-1])
    assert len(read) == frames, f"OpenCV reads {len(read)} of {frames} frames"
    if pixels == "gray":
        pictures = np.repeat(np.rint(pictures @ [0.299, 0.587, 0.114])[..., None], 3, axis=-1)
    means = np.array([grid(found) for found in read])
    true = np.array([grid(np.rot90(picture, -angle // 90)) for picture in pictures])
    tolerance, far = 2, np.abs(means - true).max()
    if far > 12:
        # OpenCV takes 10 bits for other colors than they are.
        print(f"clip {number} ({', '.join(what)}): OpenCV is up to {far:.1f} away from the scene, which is taken", file=sys.stderr)
        means, tolerance = true, 6
    means = np.rint(means).astype(int).reshape(-1).tolist()
    shape = [frames, *read[0].shape[:2]]
    case = {"what": ", ".join(what), "file": path.name, "shape": shape, "tolerance": tolerance, "means": means}
    return path.read_bytes(), case


def archive(path, cases):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        def add(name, content):
            out.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)

        add("cases.json", json.dumps([case for case, _ in cases], indent=1))
        for _, files in cases:
            for name, content in files:
                add(name, content)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(1905)
    sounds = []
    for number in range(200):
        file, expected, case = sound(draw, number)
        case["file"] = f"{number:03}.wav"
        files = [(case["file"], file)]
        if isinstance(expected, str):
            case["refused"] = expected
        else:
            case["samples"] = f"{number:03}.f32"
            files.append((case["samples"], expected.astype("<f4").tobytes()))
        sounds.append((case, files))
    archive(folder / "sounds.zip", sounds)
    pictures = []
    for number in range(100):
        file, expected, extension, case = picture(draw, number)
        case["file"] = f"{number:03}.{extension}"
        case["pixels"] = f"{number:03}.u8"
        case["shape"] = list(expected.shape)
        pictures.append((case, [(case["file"], file), (case["pixels"], np.ascontiguousarray(expected).tobytes())]))
    archive(folder / "pictures.zip", pictures)
    clips = []
    with tempfile.TemporaryDirectory() as written:
        for number in range(4 * len(CLIPS)):
            file, case = clip(pathlib.Path(written), number)
            clips.append((case, [(case["file"], file)]))
    archive(folder / "clips.zip", clips)


if __name__ == "__main__":
    main()
