//! NVIDIA's libraries, opened when the first of their functions is called.
//!
//! cudarc declares the functions that it calls and leaves them to the linker, so a binary that is linked in the ordinary way
//! does not start where the driver is missing, and takes cuBLAS and NVRTC from the one CUDA version that it was built with.
//! Here every function that gblend reaches is defined under the name that cudarc calls: the definition looks the function
//! up in the library and passes its arguments on. A function that is not defined here makes the linker ask for the library
//! again, which `cargo xtask cuda` finds.
//!
//! Calling into a library needs `unsafe`. What keeps it in bounds: each definition is compared by the compiler with
//! cudarc's declaration, which was made from NVIDIA's header.
#![allow(unsafe_code)]

use std::error::Error as _;
use std::ffi::{c_char, c_int, c_longlong, c_uchar, c_uint, c_void};
use std::sync::OnceLock;

use cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasHandle_t, cublasOperation_t, cublasStatus_t, cudaDataType,
    cudaStream_t,
};
use cudarc::driver::sys::{
    CUcontext, CUdevice, CUdevice_attribute, CUdeviceptr, CUevent, CUfunction, CUmodule, CUresult, CUstream,
};
use cudarc::nvrtc::sys::{nvrtcProgram, nvrtcResult};
use libloading::Library;

use super::OpenError;

/// A library under each name that it may have, the newest first.
pub(super) struct Names {
    title: &'static str,
    files: &'static [&'static str],
    opened: OnceLock<Result<Library, String>>,
}

pub(super) static DRIVER: Names = Names::new("the library of the NVIDIA driver", &["libcuda.so.1"]);
pub(super) static CUBLAS: Names = Names::new("NVIDIA's cuBLAS", &["libcublas.so.13", "libcublas.so.12"]);
pub(super) static NVRTC: Names = Names::new("NVIDIA's NVRTC", &["libnvrtc.so.13", "libnvrtc.so.12"]);

impl Names {
    const fn new(title: &'static str, files: &'static [&'static str]) -> Self {
        Self {
            title,
            files,
            opened: OnceLock::new(),
        }
    }

    fn open(&self) -> Result<&Library, &str> {
        let opened = self.opened.get_or_init(|| {
            let mut problems = Vec::new();
            for file in self.files {
                // SAFETY: what these libraries run when they are opened, they run in every program that is linked
                // with them.
                match unsafe { Library::new(*file) } {
                    Ok(library) => return Ok(library),
                    Err(error) => {
                        // What the system says is in the source.
                        let source = error.source().map(ToString::to_string);
                        problems.push(source.unwrap_or_else(|| error.to_string()));
                    }
                }
            }
            Err(problems.join("; "))
        });
        opened.as_ref().map_err(String::as_str)
    }

    /// Opens it, if it is not open yet.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        let missing = |problem: &str| OpenError::Library {
            library: format!("{} ({})", self.title, self.files.join(" or ")),
            problem: problem.to_owned(),
        };
        self.open().map(|_| ()).map_err(missing)
    }
}

/// Defines functions of a library. `otherwise` is what they return where the library, or the function in it, is not there.
macro_rules! define {
    (
        from $library:ident, declared in $module:ident, otherwise $otherwise:expr;
        $(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*
    ) => {$(
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)]
        extern "C" fn $name($($argument: $type),*) -> $result {
            type Function = unsafe extern "C" fn($($type),*) -> $result;
            const _: Function = cudarc::$module::sys::$name;
            static FUNCTION: OnceLock<Option<Function>> = OnceLock::new();
            let function = FUNCTION.get_or_init(|| {
                let library = $library.open().ok()?;
                // SAFETY: the type is that of cudarc's declaration, as the constant above shows. The library is in
                // a static and is never closed.
                unsafe { library.get::<Function>(concat!(stringify!($name), "\0").as_bytes()) }
                    .ok()
                    .map(|symbol| *symbol)
            });
            match function {
                // SAFETY: whoever calls this vouches for the arguments, as for a call of the function itself.
                Some(function) => unsafe { function($($argument),*) },
                None => $otherwise,
            }
        }
    )*};
}

define! {
    from DRIVER, declared in driver, otherwise CUresult::CUDA_ERROR_SHARED_OBJECT_INIT_FAILED;
    fn cuGetErrorString(error: CUresult, p_str: *mut *const c_char) -> CUresult;
    fn cuGetErrorName(error: CUresult, p_str: *mut *const c_char) -> CUresult;
    fn cuInit(flags: c_uint) -> CUresult;
    fn cuDeviceGet(device: *mut CUdevice, ordinal: c_int) -> CUresult;
    fn cuDeviceGetCount(count: *mut c_int) -> CUresult;
    fn cuDeviceGetAttribute(pi: *mut c_int, attrib: CUdevice_attribute, dev: CUdevice) -> CUresult;
    fn cuDevicePrimaryCtxRetain(pctx: *mut CUcontext, dev: CUdevice) -> CUresult;
    fn cuDevicePrimaryCtxRelease_v2(dev: CUdevice) -> CUresult;
    fn cuCtxSetCurrent(ctx: CUcontext) -> CUresult;
    fn cuCtxGetCurrent(pctx: *mut CUcontext) -> CUresult;
    fn cuModuleLoad(module: *mut CUmodule, fname: *const c_char) -> CUresult;
    fn cuModuleLoadData(module: *mut CUmodule, image: *const c_void) -> CUresult;
    fn cuModuleUnload(hmod: CUmodule) -> CUresult;
    fn cuModuleGetFunction(hfunc: *mut CUfunction, hmod: CUmodule, name: *const c_char) -> CUresult;
    fn cuMemAlloc_v2(dptr: *mut CUdeviceptr, bytesize: usize) -> CUresult;
    fn cuMemFree_v2(dptr: CUdeviceptr) -> CUresult;
    fn cuMemcpyHtoD_v2(dst_device: CUdeviceptr, src_host: *const c_void, byte_count: usize) -> CUresult;
    fn cuMemcpyDtoH_v2(dst_host: *mut c_void, src_device: CUdeviceptr, byte_count: usize) -> CUresult;
    fn cuMemcpyDtoD_v2(dst_device: CUdeviceptr, src_device: CUdeviceptr, byte_count: usize) -> CUresult;
    fn cuMemcpyHtoDAsync_v2(
        dst_device: CUdeviceptr, src_host: *const c_void, byte_count: usize, h_stream: CUstream
    ) -> CUresult;
    fn cuMemcpyDtoHAsync_v2(
        dst_host: *mut c_void, src_device: CUdeviceptr, byte_count: usize, h_stream: CUstream
    ) -> CUresult;
    fn cuMemcpyDtoDAsync_v2(
        dst_device: CUdeviceptr, src_device: CUdeviceptr, byte_count: usize, h_stream: CUstream
    ) -> CUresult;
    fn cuMemsetD8_v2(dst_device: CUdeviceptr, uc: c_uchar, n: usize) -> CUresult;
    fn cuMemsetD8Async(dst_device: CUdeviceptr, uc: c_uchar, n: usize, h_stream: CUstream) -> CUresult;
    fn cuMemFreeAsync(dptr: CUdeviceptr, h_stream: CUstream) -> CUresult;
    fn cuMemAllocAsync(dptr: *mut CUdeviceptr, bytesize: usize, h_stream: CUstream) -> CUresult;
    fn cuStreamCreate(ph_stream: *mut CUstream, flags: c_uint) -> CUresult;
    fn cuStreamWaitEvent(h_stream: CUstream, h_event: CUevent, flags: c_uint) -> CUresult;
    fn cuStreamSynchronize(h_stream: CUstream) -> CUresult;
    fn cuStreamDestroy_v2(h_stream: CUstream) -> CUresult;
    fn cuEventCreate(ph_event: *mut CUevent, flags: c_uint) -> CUresult;
    fn cuEventRecord(h_event: CUevent, h_stream: CUstream) -> CUresult;
    fn cuEventDestroy_v2(h_event: CUevent) -> CUresult;
    fn cuLaunchKernel(
        f: CUfunction, grid_dim_x: c_uint, grid_dim_y: c_uint, grid_dim_z: c_uint, block_dim_x: c_uint,
        block_dim_y: c_uint, block_dim_z: c_uint, shared_mem_bytes: c_uint, h_stream: CUstream,
        kernel_params: *mut *mut c_void, extra: *mut *mut c_void
    ) -> CUresult;
}

define! {
    from NVRTC, declared in nvrtc, otherwise nvrtcResult::NVRTC_ERROR_INTERNAL_ERROR;
    fn nvrtcCreateProgram(
        prog: *mut nvrtcProgram, src: *const c_char, name: *const c_char, num_headers: c_int,
        headers: *const *const c_char, include_names: *const *const c_char
    ) -> nvrtcResult;
    fn nvrtcDestroyProgram(prog: *mut nvrtcProgram) -> nvrtcResult;
    fn nvrtcCompileProgram(prog: nvrtcProgram, num_options: c_int, options: *const *const c_char) -> nvrtcResult;
    fn nvrtcGetPTXSize(prog: nvrtcProgram, ptx_size_ret: *mut usize) -> nvrtcResult;
    fn nvrtcGetPTX(prog: nvrtcProgram, ptx: *mut c_char) -> nvrtcResult;
    fn nvrtcGetProgramLogSize(prog: nvrtcProgram, log_size_ret: *mut usize) -> nvrtcResult;
    fn nvrtcGetProgramLog(prog: nvrtcProgram, log: *mut c_char) -> nvrtcResult;
}

define! {
    from CUBLAS, declared in cublas, otherwise cublasStatus_t::CUBLAS_STATUS_NOT_INITIALIZED;
    fn cublasCreate_v2(handle: *mut cublasHandle_t) -> cublasStatus_t;
    fn cublasDestroy_v2(handle: cublasHandle_t) -> cublasStatus_t;
    fn cublasSetStream_v2(handle: cublasHandle_t, stream_id: cudaStream_t) -> cublasStatus_t;
    fn cublasSgemv_v2(
        handle: cublasHandle_t, trans: cublasOperation_t, m: c_int, n: c_int, alpha: *const f32, a: *const f32,
        lda: c_int, x: *const f32, incx: c_int, beta: *const f32, y: *mut f32, incy: c_int
    ) -> cublasStatus_t;
    fn cublasDgemv_v2(
        handle: cublasHandle_t, trans: cublasOperation_t, m: c_int, n: c_int, alpha: *const f64, a: *const f64,
        lda: c_int, x: *const f64, incx: c_int, beta: *const f64, y: *mut f64, incy: c_int
    ) -> cublasStatus_t;
    fn cublasSgemm_v2(
        handle: cublasHandle_t, transa: cublasOperation_t, transb: cublasOperation_t, m: c_int, n: c_int,
        k: c_int, alpha: *const f32, a: *const f32, lda: c_int, b: *const f32, ldb: c_int, beta: *const f32,
        c: *mut f32, ldc: c_int
    ) -> cublasStatus_t;
    fn cublasDgemm_v2(
        handle: cublasHandle_t, transa: cublasOperation_t, transb: cublasOperation_t, m: c_int, n: c_int,
        k: c_int, alpha: *const f64, a: *const f64, lda: c_int, b: *const f64, ldb: c_int, beta: *const f64,
        c: *mut f64, ldc: c_int
    ) -> cublasStatus_t;
    fn cublasGemmEx(
        handle: cublasHandle_t, transa: cublasOperation_t, transb: cublasOperation_t, m: c_int, n: c_int,
        k: c_int, alpha: *const c_void, a: *const c_void, atype: cudaDataType, lda: c_int, b: *const c_void,
        btype: cudaDataType, ldb: c_int, beta: *const c_void, c: *mut c_void, ctype: cudaDataType, ldc: c_int,
        compute_type: cublasComputeType_t, algo: cublasGemmAlgo_t
    ) -> cublasStatus_t;
    fn cublasGemmStridedBatchedEx(
        handle: cublasHandle_t, transa: cublasOperation_t, transb: cublasOperation_t, m: c_int, n: c_int,
        k: c_int, alpha: *const c_void, a: *const c_void, atype: cudaDataType, lda: c_int, stride_a: c_longlong,
        b: *const c_void, btype: cudaDataType, ldb: c_int, stride_b: c_longlong, beta: *const c_void,
        c: *mut c_void, ctype: cudaDataType, ldc: c_int, stride_c: c_longlong, batch_count: c_int,
        compute_type: cublasComputeType_t, algo: cublasGemmAlgo_t
    ) -> cublasStatus_t;
    fn cublasSgemmStridedBatched(
        handle: cublasHandle_t, transa: cublasOperation_t, transb: cublasOperation_t, m: c_int, n: c_int,
        k: c_int, alpha: *const f32, a: *const f32, lda: c_int, stride_a: c_longlong, b: *const f32, ldb: c_int,
        stride_b: c_longlong, beta: *const f32, c: *mut f32, ldc: c_int, stride_c: c_longlong,
        batch_count: c_int
    ) -> cublasStatus_t;
    fn cublasDgemmStridedBatched(
        handle: cublasHandle_t, transa: cublasOperation_t, transb: cublasOperation_t, m: c_int, n: c_int,
        k: c_int, alpha: *const f64, a: *const f64, lda: c_int, stride_a: c_longlong, b: *const f64, ldb: c_int,
        stride_b: c_longlong, beta: *const f64, c: *mut f64, ldc: c_int, stride_c: c_longlong,
        batch_count: c_int
    ) -> cublasStatus_t;
}
