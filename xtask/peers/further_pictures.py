"""Pictures in webp, tiff and bmp, and what Pillow makes of them.

    python xtask/peers/further_pictures.py gblend-cli/tests/fixtures/media

Needs `numpy` and `pillow`. Writes `further_pictures.zip`: files, with `cases.json`, which says of each file what it is, and
beside it the pixels that it has, `.u8`.
"""

import io
import json
import pathlib
import struct
import sys
import zipfile

import numpy as np
import PIL.Image
import PIL.ImageOps

SHORT, LONG = 3, 4


def over_black(image):
    black = PIL.Image.new("RGBA", image.size, (0, 0, 0, 255))
    return np.asarray(PIL.Image.alpha_composite(black, image.convert("RGBA")).convert("RGB"))


def tiff(pixels, bits, photometric, extra=None, orientation=1, order="<"):
    """An uncompressed tiff of one strip, in either order of bytes."""
    height, width, channels = pixels.shape
    body = pixels.astype(order + {8: "u1", 16: "u2"}[bits]).tobytes()
    body += b"\0" * (len(body) % 2)
    bits_at = 8 + len(body)
    depths = struct.pack(f"{order}{channels}H", *[bits] * channels)
    entries = [
        (256, SHORT, 1, width),
        (257, SHORT, 1, height),
        (258, SHORT, channels, bits if channels == 1 else bits_at),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, photometric),
        (273, LONG, 1, 8),
        (274, SHORT, 1, orientation),
        (277, SHORT, 1, channels),
        (278, SHORT, 1, height),
        (279, LONG, 1, pixels.size * bits // 8),
    ]
    if channels == 2:
        entries[2] = (258, SHORT, 2, struct.unpack(order + "I", struct.pack(order + "2H", bits, bits))[0])
    if extra is not None:
        entries.append((338, SHORT, 1, extra))
    directory = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        inline = kind == SHORT and count == 1
        value = struct.pack(order + ("HH" if inline else "I"), *((value, 0) if inline else (value,)))
        directory += struct.pack(order + "HHI", tag, kind, count) + value
    directory += struct.pack(order + "I", 0)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", bits_at + len(depths))
    return head + body + depths + directory


def run_lengths(pixels, palette):
    """A bmp of 8 bits in runs, with a row that ends early."""
    height, width = pixels.shape
    body = b""
    for row in pixels[::-1]:
        at = 0
        while at < width:
            end = at
            while end < width and row[end] == row[at]:
                end += 1
            body += bytes([end - at, row[at]])
            at = end
        body += b"\0\0"
    body = body[:-2] + b"\0\1"
    offset = 14 + 40 + 4 * 256
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 2835, 2835, 256, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(body), 0, 0, offset) + info + palette + body


def eight(pixels):
    """The nearest of 255ths of 65535ths."""
    return (pixels.astype(np.int64) * 255 + 32767) // 65535


def composed(pixels):
    """Eight bits of color with opacity over black, rounded."""
    return np.floor(pixels[..., :-1].astype(float) * pixels[..., -1:] / 255 + 0.5).astype(np.uint8)


def cases():
    rng = np.random.default_rng(1905)
    for number in range(3):
        height, width = int(rng.integers(5, 14)), int(rng.integers(5, 18))
        ramp = np.linspace(0, 255, width)[None, :, None] * np.linspace(0.2, 1, height)[:, None, None]
        color = np.clip(ramp * rng.uniform(0.3, 1, 3) + rng.uniform(0, 60, 3), 0, 255).astype(np.uint8)
        noise = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
        deep = rng.integers(0, 65536, (height, width, 4), dtype=np.uint16)
        turn = int(rng.integers(2, 9))

        def saved(image, name, read=None, tolerance=0, **options):
            out = io.BytesIO()
            image.save(out, name, **options)
            opened = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(out.getvalue())))
            pixels = (read or (lambda image: np.asarray(image.convert("RGB"))))(opened)
            what = f"{name} {image.mode} {options}" if len(str(options)) < 60 else f"{name} {image.mode} turned"
            return name.lower(), what, out.getvalue(), pixels, tolerance

        gray = lambda image: np.asarray(image.convert("L"))[..., None]
        rgb, rgba, l = (PIL.Image.fromarray(part) for part in (color, noise, color[..., 0].copy()))
        palette = PIL.Image.fromarray(noise[..., :3].copy()).quantize(16)
        exif = PIL.Image.Exif()
        exif[0x0112] = turn
        yield saved(rgb, "WEBP", lossless=True)
        yield saved(rgba, "WEBP", over_black, 1, lossless=True, exact=True)
        # Decoders spread colors over pixels each in their own way.
        yield saved(rgb.resize((32, 24)), "WEBP", tolerance=10, quality=90)
        yield saved(rgb, "WEBP", lossless=True, exif=exif.tobytes())
        for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
            yield saved(rgb, "TIFF", compression=compression)
            yield saved(l, "TIFF", gray, compression=compression)
        yield saved(l.convert("1"), "TIFF", gray)
        yield saved(rgba, "TIFF", over_black, 1)
        yield saved(rgb, "BMP")
        yield saved(l, "BMP", gray)
        yield saved(palette, "BMP")
        yield saved(l.convert("1"), "BMP", gray)
        indices = np.sort(noise[..., 0] // 64, axis=1)
        entries = rng.integers(0, 256, (256, 4), dtype=np.uint8)
        entries[:, 3] = 0
        file = run_lengths(indices, entries.tobytes())
        yield "bmp", "BMP in runs", file, np.asarray(PIL.Image.open(io.BytesIO(file)).convert("RGB")), 0
        for order, words in [("<", "little-endian"), (">", "big-endian")]:
            file = tiff(color, 8, 2, orientation=turn, order=order)
            turned = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(file)))
            yield "tiff", f"TIFF {words}, orientation {turn}", file, np.asarray(turned.convert("RGB")), 0
            yield "tiff", f"TIFF RGB16 {words}", tiff(deep[..., :3], 16, 2, order=order), eight(deep[..., :3]), 1
            yield "tiff", f"TIFF L16 {words}", tiff(deep[..., :1], 16, 1, order=order), eight(deep[..., :1]), 1
        # Pillow opens these as opacity that is to be divided out, and as one that stands beside the colors.
        premultiplied = np.minimum(noise, noise[..., 3:])
        yield "tiff", "TIFF RGBA premultiplied", tiff(premultiplied, 8, 2, extra=1), premultiplied[..., :3], 0
        yield "tiff", "TIFF RGBA16", tiff(deep, 16, 2, extra=2), composed(eight(deep)), 1


def main():
    folder = pathlib.Path(sys.argv[1])
    found = list(cases())
    described = []
    with zipfile.ZipFile(folder / "further_pictures.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for number, (extension, what, file, pixels, tolerance) in enumerate(found):
            pixels = np.ascontiguousarray(pixels, np.uint8)
            case = {"file": f"{number}.{extension}", "pixels": f"{number}.u8", "what": what, "shape": list(pixels.shape), "tolerance": tolerance}
            described.append(case)
            for name, content in [(case["file"], file), (case["pixels"], pixels.tobytes())]:
                out.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        out.writestr(zipfile.ZipInfo("cases.json"), json.dumps(described, indent=1), zipfile.ZIP_DEFLATED)
    print(len(described))


main()
