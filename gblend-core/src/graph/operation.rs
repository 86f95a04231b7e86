//! What can be done to values.

use std::fmt::{self, Write};
use std::ops::Range;

use crate::array::Array;
use crate::engine::Window;

/// An operation, with everything that it needs but its operands. Axes are counted from 0, the outermost.
///
/// Maps are `[channels, height, width, frames × batch]`, the batch innermost; features `[batch, features]`; steps
/// `[batch × time, features]`, those of a sequence one after another, with a mask `[batch, time]` of those that are there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// The samples of an input as maps.
    Maps(String),
    /// Some of the values of each sample of an input, `[batch, values]`.
    Columns {
        /// The input.
        input: String,
        /// Which.
        columns: Range<usize>,
    },
    /// One value of each sample of an input as the number of a thing, `[batch]`.
    Ids {
        /// The input.
        input: String,
        /// Which.
        column: usize,
    },
    /// The samples of an input as steps.
    Steps(String),
    /// Which steps of the samples of an input are there.
    StepMask(String),
    /// The samples of an input as numbers of things, `[batch × time]`.
    Tokens(String),
    /// Which of them are there.
    TokenMask {
        /// The input.
        input: String,
        /// The number that is no thing.
        padding: Option<usize>,
    },
    /// Which samples have an input, `[batch]`.
    Presence(String),
    /// A parameter.
    Parameter {
        /// Where it stands in the network.
        path: String,
        /// Its values.
        values: Array,
    },
    /// Values that are the same for every batch.
    Constant(Array),
    /// Something that is not traced. No graph has it.
    Unknown,

    /// The sum of two values of one shape.
    Add,
    /// The first less the second.
    Subtract,
    /// The product, element by element.
    Multiply,
    /// The quotient, element by element.
    Divide,
    /// Every element times a number.
    Scale(f32),
    /// Every element plus a number.
    Offset(f32),
    /// `max(x, 0)`.
    Relu,
    /// See [`gelu`](crate::nn::gelu).
    Gelu,
    /// See [`gelu_erf`](crate::nn::gelu_erf()).
    GeluErf,
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `exp(x)`.
    Exp,
    /// The natural logarithm.
    Ln,
    /// The square root.
    Sqrt,
    /// `|x|`.
    Abs,
    /// `x²`.
    Square,
    /// `xⁿ`.
    Power(i32),

    /// The same elements under the shape of the node.
    Reshape,
    /// Axis `i` of the result is axis `order[i]` of the operand.
    Permute(Vec<usize>),
    /// Copies along a new axis, as many as the shape of the node has there.
    Repeat {
        /// The new axis.
        axis: usize,
    },
    /// All operands, one after another.
    Concatenate {
        /// Along this axis.
        axis: usize,
    },
    /// These rows of `[rows, columns]`.
    TakeRows(Vec<usize>),
    /// The rows of the samples that are there, zeros in the place of others; operands are rows and presence.
    MaskRows,
    /// The sum over an axis, which is gone.
    Sum {
        /// The axis.
        axis: usize,
    },
    /// The sum of all elements.
    SumOfAll,
    /// The sum over axis 1 of `[channels, taps, points, batch]`, weighted by `[taps, points]`.
    WeightedSum(Array),
    /// `exp(x) / Σ exp(x)` along an axis.
    Softmax {
        /// The axis.
        axis: usize,
    },
    /// Its logarithm.
    LogSoftmax {
        /// The axis.
        axis: usize,
    },
    /// The product of matrices, one for each of the outer axes.
    MatrixProduct,

    /// `x · weightᵀ`, of `[rows, inputs]` and `[outputs, inputs]`, and as third operand a bias if there is one.
    Linear,
    /// A convolution of maps with `[out, in, kernel, kernel]`, and as third operand a bias if there is one.
    Convolution(Window),
    /// A convolution of maps without bias, then a normalization of its channels: operands are maps, weight, γ and β.
    NormalizedConvolution {
        /// Of the convolution.
        window: Window,
        /// Of the normalization.
        norm: ColumnNorm,
    },
    /// Of maps: `γ (x − μ) / √(σ² + ε) + β` of each channel; operands are maps, γ and β.
    ChannelNorm(ColumnNorm),
    /// The same of each feature of rows.
    FeatureNorm(ColumnNorm),
    /// The same of each row, with its own mean and biased variance.
    LayerNorm {
        /// ε.
        epsilon: f32,
    },
    /// The maximum under each window.
    MaxPool(Window),
    /// The average under each window.
    AveragePool {
        /// How the window goes over maps.
        window: Window,
        /// Whether zeros of the padding count.
        count_padding: bool,
    },
    /// The mean over pixels and frames: maps to features.
    GlobalMean {
        /// Frames of a sample.
        frames: usize,
    },
    /// `max(left + right, 0)`.
    AddRelu,
    /// Of queries `[n, heads, length, width]`, keys `[n, heads, width, length]` and values `[n, heads, length, width]`,
    /// `softmax(scale · Q K) V` as `[n, length, heads, width]`.
    Attention {
        /// What inner products are multiplied by.
        scale: f32,
    },

    /// Rows of a table by numbers; zeros of padding. Operands are the table and the numbers.
    Embedding {
        /// The number that is no thing.
        padding: Option<usize>,
        /// The number of the first row.
        first: usize,
    },
    /// The mask of the steps whose time a number divides.
    StridedMask {
        /// The number.
        stride: usize,
    },
    /// The mean over the steps that are there, `[batch, features]`; operands are steps and mask, and so for the next ones.
    StepMean,
    /// The maximum over them.
    StepMax,
    /// The last of them.
    LastStep,
    /// The first of them.
    FirstStep,
    /// Row `t` of a table added to every step of time `t`; operands are steps, table and mask.
    AddTimes,
    /// A convolution over steps, zeros where there is none; operands are steps, weight `[outputs, kernel, inputs]`, mask, and
    /// a bias if there is one. The windows are around the steps that the stride divides.
    StepConvolution {
        /// Steps from one under the window to the next.
        dilation: usize,
        /// Steps from one window to the next.
        stride: usize,
    },
    /// `softmax(Q Kᵀ / √(width / heads)) V` of each head between the steps that are there; operands are queries, keys,
    /// values and mask.
    StepAttention {
        /// The number of heads.
        heads: usize,
    },
    /// The states of gated recurrent units; operands are steps, weights of inputs and of states, `[3 × hidden, …]`, their
    /// biases, and mask. The three rows are those of the reset gate, the update gate and the candidate.
    Gru {
        /// Whether sequences are read from their end.
        reverse: bool,
    },
}

impl Operation {
    /// Its name, for messages.
    pub fn name(&self) -> String {
        /// What is written, up to the end of a word: there may be millions of values behind it.
        struct Word(String);
        impl Write for Word {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let word = text
                    .split(|c: char| !c.is_alphanumeric())
                    .next()
                    .unwrap_or_default();
                self.0.push_str(word);
                if word == text { Ok(()) } else { Err(fmt::Error) }
            }
        }
        let mut word = Word(String::new());
        // It ends with an error where the word does.
        let _ = write!(word, "{self:?}");
        word.0
    }
}

/// What columns are normalized by, in evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnNorm {
    /// The running mean of each.
    pub mean: Vec<f32>,
    /// The running variance of each.
    pub variance: Vec<f32>,
    /// What is added to the variance.
    pub epsilon: f32,
    /// Whether `max(x, 0)` follows.
    pub relu: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_called_by_its_name_alone() {
        assert_eq!(Operation::Add.name(), "Add");
        assert_eq!(Operation::Constant(Array::zeros([2, 2])).name(), "Constant");
        assert_eq!(Operation::Sum { axis: 1 }.name(), "Sum");
        assert_eq!(Operation::Maps("camera".to_owned()).name(), "Maps");
    }
}
