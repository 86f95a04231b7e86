//! The same bits at any number of threads.

use crate::operation::{Case, Operation, Outcome, Route};
use gblend_core::nn::Window;

fn at_threads(case: &Case, threads: usize) -> Outcome {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| case.run(Route::Fast))
}

#[test]
fn every_operation_gives_the_same_bits_at_any_number_of_threads() {
    let operations = [
        Operation::Conv {
            out_channels: 9,
            bias: true,
        },
        Operation::BatchNorm {
            relu: true,
            fixed: false,
        },
        Operation::ConvNorm {
            out_channels: 9,
            relu: true,
            fixed: false,
        },
        Operation::Linear { outputs: 33 },
        Operation::MaxPool,
        Operation::AveragePool { count_padding: true },
        Operation::GlobalMean { frames: 4 },
        Operation::ScaleEach,
        Operation::PixelRows { frames: 4 },
        Operation::SumMiddle,
        Operation::Add,
        Operation::ReluAdd,
    ];
    for operation in operations {
        let case = Case::random(operation, [7, 23, 21, 36], Window::square(3, 2, 1), 3);
        let one = at_threads(&case, 1);
        for threads in [2, 3, 5] {
            assert!(
                at_threads(&case, threads) == one,
                "{operation:?} at {threads} threads"
            );
        }
    }
}
