//! One route against the other, on sizes too large for finite differences.

use crate::operation::{Case, Operation, Route, relative_l2};
use gblend_core::nn::Window;

fn compare(operation: Operation, input: [usize; 4], window: Window) {
    let case = Case::random(operation, input, window, 11);
    let (fast, composed) = (case.run(Route::Fast), case.run(Route::Composed));
    let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    let error = relative_l2(&fast.output, &wide(&composed.output));
    assert!(error < 1e-5, "{operation:?} output: {error:e}");
    for (argument, (fast, composed)) in fast.gradients.iter().zip(&composed.gradients).enumerate() {
        let error = relative_l2(fast, &wide(composed));
        assert!(error < 1e-5, "{operation:?} gradient {argument}: {error:e}");
    }
}

#[test]
fn the_routes_agree_on_a_convolution_of_several_chunks() {
    let operation = Operation::Conv {
        out_channels: 12,
        bias: true,
    };
    compare(operation, [5, 17, 19, 48], Window::square(3, 1, 1));
    compare(operation, [5, 17, 19, 48], Window::square(5, 2, 2));
    compare(operation, [5, 17, 19, 48], Window::square(1, 1, 0));
}

#[test]
fn the_routes_agree_on_a_convolution_at_any_batch() {
    // 72 channels are enough for a copy of what is read, 5 are not.
    for (in_channels, out_channels) in [(5, 12), (5, 72), (72, 5)] {
        for batch in [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 96, 100, 131, 257, 320] {
            let operation = Operation::Conv {
                out_channels,
                bias: false,
            };
            compare(operation, [in_channels, 5, 4, batch], Window::square(3, 2, 1));
        }
    }
}

#[test]
fn the_routes_agree_on_a_normalized_convolution() {
    // Without the ReLU: a sign that flips between the routes is no error of either.
    let operation = Operation::ConvNorm {
        out_channels: 12,
        relu: false,
        fixed: false,
    };
    compare(operation, [5, 17, 19, 48], Window::square(3, 2, 1));
}

#[test]
fn the_routes_agree_on_pooling() {
    compare(
        Operation::AveragePool { count_padding: true },
        [3, 16, 16, 40],
        Window::square(3, 2, 1),
    );
    compare(
        Operation::AveragePool { count_padding: false },
        [3, 16, 16, 40],
        Window::square(3, 2, 1),
    );
    compare(Operation::MaxPool, [3, 16, 16, 40], Window::square(3, 2, 1));
    compare(
        Operation::GlobalMean { frames: 8 },
        [3, 16, 16, 40],
        Window::square(3, 2, 1),
    );
}
