#!/bin/sh
# Runs what `cargo xtask gpu-bundle` packed, on a machine with an NVIDIA GPU, and writes results.json beside itself.
#
#     sh run.sh [PYTHON [SECONDS]]
#
# It ends after SECONDS, 480 unless told otherwise, with what there is. PYTHON has PyTorch and NumPy, if PyTorch is to be timed. Neither Rust nor a network is needed.
#
# dfdx compiles some kernels at run time, with headers that it looks for at the absolute paths of the build. So this
# makes the build's folder again at the same place, with those headers alone; build.env says where that is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python3}

# PREFIX, the build's folder, and OUT_DIR, that of dfdx's build script in it.
. "$here/build.env"
marker=$PREFIX/made-by-gpu-bundle
if [ -e "$PREFIX" ] && [ ! -f "$marker" ] && [ ! -f "$OUT_DIR/cuda_utils.cuh" ]; then
    echo "error: $PREFIX is there and is not the build's; pack the bundle with another --prefix" >&2
    exit 2
fi

# The machine's own toolkit, whose headers fit its NVRTC; else the headers that the bundle brings.
toolkit=""
if command -v nvcc >/dev/null; then
    toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
fi
for folder in "${CUDA_PATH:-}" "${CUDA_HOME:-}" "$toolkit" /usr/local/cuda; do
    if [ -n "$folder" ] && [ -f "$folder/include/cuda_fp16.h" ]; then
        toolkit=$folder
        break
    fi
done
include=$here/include
libraries=""
if [ -n "$toolkit" ] && [ -f "$toolkit/include/cuda_fp16.h" ]; then
    include=$toolkit/include
    libraries=$toolkit/lib64
fi
# On the machine that packed it the build's folder is there as it was.
if [ ! -e "$PREFIX" ] || [ -f "$marker" ]; then
    mkdir -p "$OUT_DIR" "$PREFIX/toolkit"
    : >"$marker"
    cp "$here"/kernels/* "$OUT_DIR/"
    rm -rf "$PREFIX/toolkit/include"
    ln -s "$include" "$PREFIX/toolkit/include"
fi

# cuBLAS and NVRTC also come with PyTorch.
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null || true)
for folder in "$packages"/nvidia/*/lib; do
    if [ -d "$folder" ]; then
        libraries=$libraries:$folder
    fi
done
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

echo "headers: $include"
exec "$python" "$here/measure.py" "$here" "${2:-480}"
