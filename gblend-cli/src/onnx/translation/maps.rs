//! What is done to maps.

use gblend_core::graph::{ColumnNorm, Extent, Node, NodeId};
use gblend_core::nn::Window;

use super::super::proto::{Attribute, int};
use super::{Translation, first, not_whole, operands_of};
use crate::error::Result;

/// The window of a convolution or a pool.
fn window_attributes(window: &Window) -> Vec<Attribute> {
    let both = |(vertical, horizontal): (usize, usize)| [vertical, horizontal].map(int);
    let padding = both(window.padding);
    vec![
        Attribute::ints("kernel_shape", both(window.kernel)),
        Attribute::ints("strides", both(window.stride)),
        Attribute::ints("pads", padding.into_iter().chain(padding)),
    ]
}

impl Translation<'_> {
    /// An input's pictures, `[batch, channels, height, width]` or with frames before the height, as maps with the samples
    /// first: the frames of all samples, those of one time side by side.
    pub(super) fn maps_of_input(&mut self, input: &str, node: &Node) -> Result<String> {
        let values = self.input(input)?.values.clone();
        let &[
            Extent::Fixed(channels),
            Extent::Fixed(height),
            Extent::Fixed(width),
            Extent::PerSample(frames),
        ] = node.shape.as_slice()
        else {
            return Err(not_whole());
        };
        if frames == 1 {
            return Ok(values);
        }
        let frames_first = self.transpose(&values, &[2, 0, 1, 3, 4]);
        Ok(self.reshaped(&frames_first, &[-1, int(channels), int(height), int(width)]))
    }

    pub(super) fn convolution(&mut self, operands: &[NodeId], window: &Window) -> Result<String> {
        let (maps, weights) = operands.split_first().ok_or_else(not_whole)?;
        let mut names = vec![self.samples_first(*maps)?];
        for &weight in weights {
            names.push(self.own(weight)?);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(self.builder.node("Conv", &names, window_attributes(window)))
    }

    pub(super) fn normalized_convolution(
        &mut self,
        operands: &[NodeId],
        window: &Window,
        norm: &ColumnNorm,
    ) -> Result<String> {
        let [maps, weight, gamma, beta] = operands_of(operands)?;
        let maps = self.convolution(&[maps, weight], window)?;
        let (gamma, beta) = (self.own(gamma)?, self.own(beta)?);
        Ok(self.normalized(&maps, &gamma, &beta, norm))
    }

    pub(super) fn channel_norm(&mut self, operands: &[NodeId], norm: &ColumnNorm) -> Result<String> {
        let [maps, gamma, beta] = operands_of(operands)?;
        let (maps, gamma, beta) = (self.samples_first(maps)?, self.own(gamma)?, self.own(beta)?);
        Ok(self.normalized(&maps, &gamma, &beta, norm))
    }

    pub(super) fn max_pool(&mut self, operands: &[NodeId], window: &Window) -> Result<String> {
        let maps = self.samples_first(first(operands)?)?;
        Ok(self.builder.node("MaxPool", &[&maps], window_attributes(window)))
    }

    pub(super) fn average_pool(
        &mut self,
        operands: &[NodeId],
        window: &Window,
        count_padding: bool,
    ) -> Result<String> {
        let maps = self.samples_first(first(operands)?)?;
        let mut attributes = window_attributes(window);
        attributes.push(Attribute::int("count_include_pad", i64::from(count_padding)));
        Ok(self.builder.node("AveragePool", &[&maps], attributes))
    }

    /// Maps to `[batch, channels]`.
    pub(super) fn global_mean(&mut self, operands: &[NodeId], frames: usize, node: &Node) -> Result<String> {
        let maps = self.samples_first(first(operands)?)?;
        let means = self.mean(&maps, &[2, 3]);
        if frames == 1 {
            return Ok(means);
        }
        let Some(&Extent::Fixed(channels)) = node.shape.get(1) else {
            return Err(not_whole());
        };
        let by_frame = self.reshaped(&means, &[int(frames), -1, int(channels)]);
        Ok(self.mean(&by_frame, &[0]))
    }

    fn mean(&mut self, value: &str, axes: &[i64]) -> String {
        let attributes = [
            Attribute::ints("axes", axes.iter().copied()),
            Attribute::int("keepdims", 0),
        ];
        self.builder.node("ReduceMean", &[value], attributes)
    }
}
