//! The one place with `unsafe` code.
//!
//! Three things cannot be had without it. The matrix product of the `gemm-f32` crate takes raw pointers and
//! strides; dfdx hands out a tensor's storage on the CPU one element at a time only, while a copy of
//! every operand would cost more than many of the operations do; and memory for maps comes filled with zeros
//! by one thread, which takes as long as some of the operations that fill it again. All are wrapped here in
//! functions that check every size and that no caller can misuse.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, Tensor};
use pulp::{Arch, NullaryFnOnce, Simd};
use rayon::prelude::*;

/// The elements of a contiguous tensor, without a copy. `None` if the tensor is not contiguous.
pub(in crate::engine) fn contiguous<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Option<&[f32]> {
    let elements = tensor.shape().num_elements();
    if elements == 0 {
        return Some(&[]);
    }
    let first: *const f32 = &tensor[S::Concrete::default()];
    if !is_contiguous(tensor) {
        return None;
    }
    // SAFETY: `first` points at element 0 of the tensor's storage, a `Vec<f32>` that the borrow of `tensor`
    // keeps alive and unchanged. Every axis longer than 1 has the stride of a row-major tensor, so the
    // `elements` elements are consecutive and inside that storage: the last of them is the tensor's own last.
    Some(unsafe { std::slice::from_raw_parts(first, elements) })
}

/// The elements of a contiguous tensor, to be changed in place. `None` if the tensor is not contiguous.
#[allow(dead_code, reason = "parameters of a CUDA build are not in the host's memory")]
pub(crate) fn contiguous_mut<S: Shape>(tensor: &mut Tensor<S, f32, Cpu>) -> Option<&mut [f32]> {
    let elements = tensor.shape().num_elements();
    if elements == 0 {
        return Some(&mut []);
    }
    if !is_contiguous(tensor) {
        return None;
    }
    // If other tensors share the storage, dfdx gives this one a copy first.
    let first: *mut f32 = &mut tensor[S::Concrete::default()];
    // SAFETY: as in `contiguous`, and the borrow is exclusive: the storage is this tensor's alone, and nobody reaches it
    // by another way while the slice is there.
    Some(unsafe { std::slice::from_raw_parts_mut(first, elements) })
}

/// Whether the elements of a tensor with at least one follow each other in row-major order.
fn is_contiguous<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> bool {
    let (extents, strides) = (tensor.shape().concrete(), tensor.shape().strides());
    let first: *const f32 = &tensor[S::Concrete::default()];
    // dfdx keeps the strides to itself, so they are found by stepping once along every axis.
    (0..S::NUM_DIMS).all(|axis| {
        if extents[axis] <= 1 {
            return true;
        }
        let mut index = S::Concrete::default();
        index[axis] = 1;
        let second: *const f32 = &tensor[index];
        second == first.wrapping_add(strides[axis])
    })
}

/// A matrix to read: `rows` × `columns` elements at any strides inside a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` elements that start `row_stride` apart.
    ///
    /// # Panics
    /// If the slice is too short: a bug of the caller.
    pub(super) fn rows(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(
            rows == 0 || columns == 0 || (rows - 1) * row_stride + columns <= data.len(),
            "a matrix of {rows} x {columns} at stride {row_stride} does not fit into {} elements",
            data.len()
        );
        Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        }
    }

    /// The number of rows.
    pub(super) fn height(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub(super) fn width(&self) -> usize {
        self.columns
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are no such rows: a bug of the caller.
    pub(super) fn part(self, rows: Range<usize>) -> Self {
        assert!(
            rows.start <= rows.end && rows.end <= self.rows,
            "rows {rows:?} of {}",
            self.rows
        );
        let first = (rows.start * self.row_stride).min(self.data.len());
        Self {
            data: &self.data[first..],
            rows: rows.len(),
            ..self
        }
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// If there are no such columns: a bug of the caller.
    pub(super) fn columns_part(self, columns: Range<usize>) -> Self {
        assert!(
            columns.start <= columns.end && columns.end <= self.columns,
            "columns {columns:?} of {}",
            self.columns
        );
        let first = (columns.start * self.column_stride).min(self.data.len());
        Self {
            data: &self.data[first..],
            columns: columns.len(),
            ..self
        }
    }

    /// The rows, if the elements of each follow each other.
    pub(super) fn as_rows(self) -> Option<impl ExactSizeIterator<Item = &'a [f32]>> {
        let Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride,
        } = self;
        (column_stride == 1).then(|| (0..rows).map(move |row| &data[row * row_stride..][..columns]))
    }

    /// The elements, and from one row to the next, if the elements of each row follow each other and are a multiple of so many.
    pub(super) fn whole_rows(self, multiple: usize) -> Option<(&'a [f32], usize)> {
        let whole = self.column_stride == 1 && self.columns.is_multiple_of(multiple);
        whole.then_some((self.data, self.row_stride))
    }

    /// The row `first` and those after it, if the elements of each follow each other; where there are fewer than `R`, the last
    /// one again.
    #[inline(always)]
    pub(super) fn rows_at<const R: usize>(self, first: usize) -> Option<[&'a [f32]; R]> {
        let last = self.rows.saturating_sub(1);
        let row = |row: usize| &self.data[(first + row).min(last) * self.row_stride..][..self.columns];
        (self.column_stride == 1).then(|| std::array::from_fn(row))
    }

    /// The same elements with rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix to write: consecutive elements in each row, rows at any stride.
#[derive(Debug)]
pub(super) struct MatrixMut<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `MatrixMut` is the only way to the elements that it covers: it is made from an exclusive borrow,
// and splitting consumes it into parts that share no element. So it may move to another thread as the
// borrow might.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// Rows of `columns` elements that follow each other.
    ///
    /// # Panics
    /// If the slice has not exactly `rows` × `columns` elements: a bug of the caller.
    pub(super) fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "a matrix of {rows} x {columns}");
        Self {
            start: data.as_mut_ptr(),
            rows,
            columns,
            row_stride: columns,
            lifetime: PhantomData,
        }
    }

    /// Rows of `columns` elements that start `row_stride` apart; the last row may be shorter than that.
    ///
    /// # Panics
    /// If the slice is too short or rows overlap: a bug of the caller.
    pub(super) fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(
            columns <= row_stride && (rows == 0 || (rows - 1) * row_stride + columns <= data.len()),
            "a matrix of {rows} x {columns} at stride {row_stride} does not fit into {} elements",
            data.len()
        );
        Self {
            start: data.as_mut_ptr(),
            rows,
            columns,
            row_stride,
            lifetime: PhantomData,
        }
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Some of the rows.
    ///
    /// # Panics
    /// If there are no such rows: a bug of the caller.
    pub(super) fn part(&mut self, rows: Range<usize>) -> MatrixMut<'_> {
        assert!(
            rows.start <= rows.end && rows.end <= self.rows,
            "rows {rows:?} of {}",
            self.rows
        );
        MatrixMut {
            // SAFETY: at most the number of rows, so this is inside the matrix or, of no rows, right behind it: a last row may be
            // shorter than the stride, and then the pointer is not moved past it.
            start: if rows.is_empty() {
                self.start
            } else {
                unsafe { self.start.add(rows.start * self.row_stride) }
            },
            rows: rows.len(),
            columns: self.columns,
            row_stride: self.row_stride,
            lifetime: PhantomData,
        }
    }

    /// The first rows, and the others.
    ///
    /// # Panics
    /// If there are fewer rows: a bug of the caller.
    pub(super) fn split_rows(self, first: usize) -> (Self, Self) {
        assert!(first <= self.rows, "{first} rows of {}", self.rows);
        let below = Self {
            start: if first == self.rows {
                self.start
            } else {
                // SAFETY: there is a row `first`, so this is inside the matrix; the two have no row in common.
                unsafe { self.start.add(first * self.row_stride) }
            },
            rows: self.rows - first,
            columns: self.columns,
            row_stride: self.row_stride,
            lifetime: PhantomData,
        };
        (Self { rows: first, ..self }, below)
    }

    /// Divides the matrix into blocks of at most `height` rows.
    pub(super) fn split_into_rows(self, height: usize) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = self;
        while rest.rows > height.max(1) {
            let (part, below) = rest.split_rows(height.max(1));
            parts.push(part);
            rest = below;
        }
        parts.push(rest);
        parts
    }

    /// Divides the matrix into blocks of at most `width` columns.
    pub(super) fn split_columns(self, width: usize) -> Vec<Self> {
        (0..self.columns)
            .step_by(width.max(1))
            .map(|first| Self {
                // SAFETY: `first` is below the number of columns, so this is inside the first row. The blocks
                // cover different columns of each row and the rows do not overlap, so no element is in two.
                start: unsafe { self.start.add(first) },
                rows: self.rows,
                columns: width.max(1).min(self.columns - first),
                row_stride: self.row_stride,
                lifetime: PhantomData,
            })
            .collect()
    }

    /// The elements of one row.
    ///
    /// # Panics
    /// If there is no such row: a bug of the caller.
    pub(super) fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: the row is one of the matrix's, whose elements are consecutive and reached by no other way
        // while `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.row_stride), self.columns) }
    }

    /// The number of columns.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// `self = left · right`, or `self += left · right`, on the calling thread.
    ///
    /// # Panics
    /// If the sizes do not agree: a bug of the caller.
    pub(super) fn product(&mut self, left: Matrix<'_>, right: Matrix<'_>, accumulate: bool) {
        assert_eq!(
            (self.rows, self.columns, left.columns),
            (left.rows, right.columns, right.rows),
            "sizes of a matrix product"
        );
        // The kernels want the elements of a column one after another. Where those of a row are, they are a column of the
        // transposed product.
        let (left, right, [column_stride, row_stride]) = if self.row_stride > 1 {
            (right.transposed(), left.transposed(), [self.row_stride, 1])
        } else {
            (left, right, [1, self.row_stride])
        };
        let stride = |stride: usize| stride as isize;
        // SAFETY: the sizes agree, each matrix covers its elements (checked when it was made), `self` is the
        // only way to its elements and the others are borrowed for reading. Slices are never longer than
        // `isize::MAX` bytes, so the strides fit.
        unsafe {
            gemm_f32::gemm::f32::get_gemm_fn()(
                left.rows,
                right.columns,
                left.columns,
                self.start,
                stride(column_stride),
                stride(row_stride),
                accumulate,
                left.data.as_ptr(),
                stride(left.column_stride),
                stride(left.row_stride),
                right.data.as_ptr(),
                stride(right.column_stride),
                stride(right.row_stride),
                if accumulate { 1.0 } else { 0.0 },
                1.0,
                false,
                false,
                false,
                gemm_common::Parallelism::None,
            );
        }
    }
}

/// A new matrix, computed in blocks of at most `width` columns, each of zeros at first. `compute` is given
/// what `init` makes for its thread, the block's number and the block.
pub(super) fn column_blocks<T>(
    rows: usize,
    columns: usize,
    width: usize,
    init: impl Fn() -> T + Send + Sync,
    compute: impl Fn(&mut T, usize, MatrixMut<'_>) + Send + Sync,
) -> Vec<f32> {
    let compute = |scratch: &mut T, (_, number), block: MatrixMut<'_>| {
        for row in 0..block.rows {
            // SAFETY: the row lies inside the allocation, as in `row`, and nothing else reaches it.
            let start = unsafe { block.start.add(row * block.row_stride) };
            // SAFETY: as above, and any bytes are an `f32`.
            unsafe { start.write_bytes(0, block.columns) };
        }
        compute(scratch, number, block);
    };
    let blocks = Blocks {
        width,
        height: rows,
        pixel: 1,
    };
    // SAFETY: every row of each block has been filled with zeros.
    unsafe { written_blocks([rows, columns], blocks, |number| number, init, compute) }
}

/// The blocks that a matrix is divided into, numbered from top to bottom of the first columns, then of the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    /// Columns of a block, at most.
    pub(super) width: usize,
    /// Rows of a block, at most.
    pub(super) height: usize,
    /// Columns of a pixel, which a block has some of; of a block that has fewer, all.
    pub(super) pixel: usize,
}

/// A new matrix in blocks, each of the task that `task` says, whose elements have no value before `write` gives them one.
///
/// # Safety
/// `write` must not read an element before it has written it, and must write every element of its block, or panic.
unsafe fn written_blocks<T>(
    [rows, columns]: [usize; 2],
    blocks: Blocks,
    task: impl Fn(usize) -> usize,
    init: impl Fn() -> T + Send + Sync,
    write: impl Fn(&mut T, (usize, usize), MatrixMut<'_>) + Send + Sync,
) -> Vec<f32> {
    let mut data: Vec<f32> = Vec::with_capacity(rows * columns);
    let matrix = MatrixMut {
        start: data.as_mut_ptr(),
        rows,
        columns,
        row_stride: columns,
        lifetime: PhantomData,
    };
    let mut tasks: Vec<Vec<(usize, MatrixMut<'_>)>> = Vec::new();
    let columns_of = matrix.split_columns(blocks.width).into_iter();
    let parts = columns_of.flat_map(|block| block.split_into_rows(blocks.height));
    for (number, block) in parts.enumerate() {
        let task = task(number);
        if task >= tasks.len() {
            tasks.resize_with(task + 1, Vec::new);
        }
        tasks[task].push((number, block));
    }
    let tasks = tasks.into_par_iter().enumerate();
    tasks.for_each_init(init, |scratch, (task, blocks)| {
        for (number, block) in blocks {
            write(scratch, (task, number), block);
        }
    });
    // SAFETY: the capacity is that, and the blocks, which cover all of it, have been written.
    unsafe { data.set_len(rows * columns) };
    data
}

/// A block of a new matrix, whose elements are written once: some of its pixels after the other, of those a tile of some columns
/// of all rows after the other. A pixel is so many columns.
#[derive(Debug)]
pub(super) struct NewBlock<'a> {
    block: MatrixMut<'a>,
    /// Columns of a pixel.
    pixel: usize,
    /// Whether each pixel is written, or being written.
    begun: Vec<bool>,
    /// The pixels at hand.
    places: Vec<usize>,
    /// Whether they follow each other.
    together: bool,
    /// Where the next row of a tile begins, in the columns of the pixels at hand.
    next: (usize, usize),
    /// Columns of the tile.
    length: usize,
    /// Which of the pixels at hand it begins in, and at which of its columns: a division, which is slow.
    at: (usize, usize),
}

impl<'a> NewBlock<'a> {
    fn new(block: MatrixMut<'a>, pixel: usize) -> Self {
        let pixel = pixel.min(block.columns).max(1);
        assert!(block.columns.is_multiple_of(pixel), "pixels of a block");
        Self {
            begun: vec![false; block.columns / pixel],
            block,
            pixel,
            places: Vec::new(),
            together: true,
            next: (0, 0),
            length: 0,
            at: (0, 0),
        }
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.block.rows
    }

    /// The number of columns.
    pub(super) fn columns(&self) -> usize {
        self.block.columns
    }

    /// Whether the pixels at hand are written to their end.
    fn is_done(&self) -> bool {
        self.block.rows == 0 || self.next == (0, self.places.len() * self.pixel)
    }

    /// Goes on with other pixels, none of which has been written.
    ///
    /// # Panics
    /// If those before are not written to their end, or one of these has been, or is none of the block's: a bug of the caller.
    pub(super) fn begin(&mut self, places: &[usize]) {
        assert!(self.is_done(), "pixels that are left at {:?}", self.next);
        for &place in places {
            assert!(
                !std::mem::replace(&mut self.begun[place], true),
                "pixel {place} again"
            );
        }
        self.places.clear();
        self.places.extend_from_slice(places);
        let mut pairs = places.iter().zip(places.iter().skip(1));
        self.together = pairs.all(|(place, next)| place + 1 == *next);
        self.next = (0, 0);
    }

    /// Writes the next row of a tile of `length` columns of the pixels at hand, of which the last vector may be filled in part.
    ///
    /// # Panics
    /// If it is not the row `row` of columns `start..start + length` that is next: a bug of the caller.
    #[inline(always)]
    pub(super) fn push<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        (row, start, length): (usize, usize, usize),
        values: [S::f32s; V],
    ) {
        if row == 0 {
            self.length = length;
            self.at = (start / self.pixel, start % self.pixel);
        }
        assert!(
            (row, start) == self.next
                && length == self.length
                && row < self.block.rows
                && length <= (self.places.len() * self.pixel).saturating_sub(start),
            "row {row} at {start} of a tile of {length}"
        );
        let (place, within) = self.at;
        if length == V * S::F32_LANES && (self.together || within + length <= self.pixel) {
            let target = self.target(row, place, within, length);
            let (target, _) = S::as_uninit_mut_simd_f32s(target);
            for (target, value) in target.iter_mut().zip(values) {
                target.write(value);
            }
        } else {
            let mut lanes = [0.0; 32];
            for (lanes, value) in lanes.chunks_exact_mut(S::F32_LANES).zip(values) {
                simd.partial_store_f32s(lanes, value);
            }
            let mut lanes = &lanes[..length];
            let (mut place, mut within) = (place, within);
            while !lanes.is_empty() {
                let (now, later) = lanes.split_at(lanes.len().min(self.pixel - within));
                self.target(row, place, within, now.len())
                    .write_copy_of_slice(now);
                (place, within, lanes) = (place + 1, 0, later);
            }
        }
        self.next = if row + 1 == self.block.rows {
            (0, start + length)
        } else {
            (row + 1, start)
        };
    }

    /// So many columns of a row, from one of a pixel at hand on.
    #[inline(always)]
    fn target(&mut self, row: usize, place: usize, within: usize, length: usize) -> &mut [MaybeUninit<f32>] {
        let column = self.places[place] * self.pixel + within;
        assert!(
            row < self.block.rows && column <= self.block.columns && length <= self.block.columns - column,
            "{length} columns at {column} of row {row}"
        );
        // SAFETY: the row is one of the block's, and `column` at most the number of its columns, so this is inside the row or right
        // behind it.
        let first = unsafe { self.block.start.add(row * self.block.row_stride + column) };
        // SAFETY: the row has `length` columns from there, which are reached by no other way while `self` is borrowed, and
        // any bytes are a `MaybeUninit`.
        unsafe { std::slice::from_raw_parts_mut(first.cast::<MaybeUninit<f32>>(), length) }
    }
}

/// A new matrix, computed in blocks, in the order of their numbers by each of the tasks that `task` says they belong to. `compute` is
/// given what `init` makes for its thread, the numbers of the task and of the block, and the block.
///
/// # Panics
/// If a block is not written to its end: a bug of the caller.
pub(super) fn new_blocks<T>(
    [rows, columns]: [usize; 2],
    blocks: Blocks,
    task: impl Fn(usize) -> usize,
    init: impl Fn() -> T + Send + Sync,
    compute: impl Fn(&mut T, (usize, usize), &mut NewBlock<'_>) + Send + Sync,
) -> Vec<f32> {
    let compute = |scratch: &mut T, place, block: MatrixMut<'_>| {
        let mut block = NewBlock::new(block, blocks.pixel);
        compute(scratch, place, &mut block);
        assert!(
            rows == 0 || block.is_done() && block.begun.iter().all(|begun| *begun),
            "a block was left at {:?}",
            block.next
        );
    };
    // SAFETY: each pixel has been begun, once, and before the next one, or the end, all rows of all its columns were written; none can
    // be read.
    unsafe { written_blocks([rows, columns], blocks, task, init, compute) }
}

/// A new vector of a function of each of `values`, and what else was made with that function, which is made for each run of
/// `run` of them.
pub(super) fn map_runs<T: Send, F: Fn(f32) -> f32>(
    values: &[f32],
    run: usize,
    function: impl Fn(usize, &[f32]) -> (T, F) + Send + Sync,
) -> (Vec<f32>, Vec<T>) {
    let mut data: Vec<f32> = Vec::with_capacity(values.len());
    let targets = data.spare_capacity_mut()[..values.len()].par_chunks_mut(run.max(1));
    let runs = targets.zip(values.par_chunks(run.max(1))).enumerate();
    let made = runs.map(|(number, (targets, values))| {
        let (made, function) = function(number, values);
        Arch::new().dispatch(EachValue {
            targets,
            values,
            function,
        });
        made
    });
    let made = made.collect();
    // SAFETY: the capacity is at least that, and both sides of the loop had as many elements, so each of the
    // vector's has been written.
    unsafe { data.set_len(values.len()) };
    (data, made)
}

/// Writes a function of each value, and no less.
struct EachValue<'a, F> {
    targets: &'a mut [MaybeUninit<f32>],
    values: &'a [f32],
    function: F,
}

impl<F: Fn(f32) -> f32> NullaryFnOnce for EachValue<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (target, &value) in self.targets.iter_mut().zip(self.values) {
            target.write((self.function)(value));
        }
    }
}

/// A new vector of a function of each pair of `left` and `right`, in tasks of `run` pairs.
///
/// # Panics
/// If one is longer than the other: a bug of the caller.
pub(super) fn map_pairs(
    left: &[f32],
    right: &[f32],
    run: usize,
    function: impl Fn(f32, f32) -> f32 + Send + Sync,
) -> Vec<f32> {
    assert_eq!(left.len(), right.len(), "elements of two operands");
    let mut data: Vec<f32> = Vec::with_capacity(left.len());
    let targets = data.spare_capacity_mut()[..left.len()].par_chunks_mut(run.max(1));
    let pairs = left.par_chunks(run.max(1)).zip(right.par_chunks(run.max(1)));
    targets.zip(pairs).for_each(|(targets, (left, right))| {
        Arch::new().dispatch(EachPair {
            targets,
            operands: [left, right],
            function: &function,
        });
    });
    // SAFETY: the capacity is at least that, and both operands had as many elements, in runs of the same lengths, so each
    // of the vector's has been written.
    unsafe { data.set_len(left.len()) };
    data
}

/// Writes a function of each pair, and no less.
struct EachPair<'a, F> {
    targets: &'a mut [MaybeUninit<f32>],
    operands: [&'a [f32]; 2],
    function: &'a F,
}

impl<F: Fn(f32, f32) -> f32> NullaryFnOnce for EachPair<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [left, right] = self.operands;
        for ((target, &left), &right) in self.targets.iter_mut().zip(left).zip(right) {
            target.write((self.function)(left, right));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfdx::prelude::*;
    use proptest::prelude::*;

    #[test]
    fn a_permuted_or_broadcast_tensor_is_not_contiguous() {
        let device = Cpu::default();
        let tensor: Tensor<(usize, usize), f32, _> =
            device.tensor_from_vec(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (2, 3));
        assert_eq!(
            contiguous(&tensor),
            Some([1.0, 2.0, 3.0, 4.0, 5.0, 6.0].as_slice())
        );
        assert_eq!(contiguous(&tensor.permute::<(usize, usize), Axes2<1, 0>>()), None);
        let row: Tensor<(usize,), f32, _> = device.tensor_from_vec(vec![1.0, 2.0], (2,));
        assert_eq!(
            contiguous(&row.broadcast_like::<_, Axis<0>>(&(3_usize, 2_usize))),
            None
        );
    }

    proptest! {
        #[test]
        fn a_product_in_column_blocks_is_the_product(
            m in 1_usize..7, n in 1_usize..40, k in 1_usize..9, width in 1_usize..50, transpose: bool,
        ) {
            let value = |i: usize| ((i * 37 + 11) % 17) as f32 - 8.0;
            let left: Vec<f32> = (0..m * k).map(value).collect();
            let right: Vec<f32> = (0..k * n).map(value).collect();
            let mut product = vec![1.0; m * n];
            let a = if transpose { Matrix::rows(&left, k, m, m).transposed() } else { Matrix::rows(&left, m, k, k) };
            for (index, mut block) in MatrixMut::new(&mut product, m, n).split_columns(width).into_iter().enumerate() {
                let columns = block.columns();
                block.product(a, Matrix::rows(&right[index * width..], k, columns, n), true);
            }
            for row in 0..m {
                for column in 0..n {
                    let at = |l: usize| if transpose { left[l * m + row] } else { left[row * k + l] };
                    let expected = 1.0 + (0..k).map(|l| at(l) * right[l * n + column]).sum::<f32>();
                    prop_assert_eq!(product[row * n + column], expected);
                }
            }
        }
    }
}
