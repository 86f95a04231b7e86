//! What is done element by element.

use gblend_core::graph::{NodeId, Operation};

use super::{Layout, Translation, not_whole};
use crate::error::Result;

impl Translation<'_> {
    pub(super) fn element_by_element(
        &mut self,
        operation: &Operation,
        operands: &[NodeId],
    ) -> Result<(Layout, String)> {
        let (layout, names) = self.alike(operands)?;
        let x = names.first().ok_or_else(not_whole)?;
        let both: Vec<&str> = names.iter().map(String::as_str).collect();
        let builder = &mut *self.builder;
        let name = match operation {
            Operation::Add => builder.node("Add", &both, []),
            Operation::Subtract => builder.node("Sub", &both, []),
            Operation::Multiply => builder.node("Mul", &both, []),
            Operation::Divide => builder.node("Div", &both, []),
            Operation::Scale(factor) => {
                let factor = builder.float(*factor);
                builder.node("Mul", &[x, &factor], [])
            }
            Operation::Offset(value) => {
                let value = builder.float(*value);
                builder.node("Add", &[x, &value], [])
            }
            Operation::Power(exponent) => {
                let exponent = builder.float(*exponent as f32);
                builder.node("Pow", &[x, &exponent], [])
            }
            Operation::Square => builder.node("Mul", &[x, x], []),
            Operation::Sigmoid => builder.node("Sigmoid", &[x], []),
            Operation::Tanh => builder.node("Tanh", &[x], []),
            Operation::Exp => builder.node("Exp", &[x], []),
            Operation::Ln => builder.node("Log", &[x], []),
            Operation::Sqrt => builder.node("Sqrt", &[x], []),
            Operation::Abs => builder.node("Abs", &[x], []),
            Operation::Relu => builder.node("Relu", &[x], []),
            Operation::AddRelu => {
                let sum = builder.node("Add", &both, []);
                builder.node("Relu", &[&sum], [])
            }
            Operation::Gelu => self.gelu(x),
            Operation::GeluErf => self.gelu_erf(x),
            _ => return Err(not_whole()),
        };
        Ok((layout, name))
    }

    /// `½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    fn gelu(&mut self, x: &str) -> String {
        let builder = &mut *self.builder;
        let [share, slope] =
            [0.044_715, (2.0 / std::f32::consts::PI).sqrt()].map(|value| builder.float(value));
        let [half, one] = [0.5, 1.0].map(|value| builder.float(value));
        let square = builder.node("Mul", &[x, x], []);
        let cube = builder.node("Mul", &[&square, x], []);
        let cube = builder.node("Mul", &[&cube, &share], []);
        let inner = builder.node("Add", &[x, &cube], []);
        let inner = builder.node("Mul", &[&inner, &slope], []);
        let bent = builder.node("Tanh", &[&inner], []);
        let bent = builder.node("Add", &[&bent, &one], []);
        let halved = builder.node("Mul", &[x, &half], []);
        builder.node("Mul", &[&halved, &bent], [])
    }

    /// `½ x (1 + erf(x / √2))`.
    fn gelu_erf(&mut self, x: &str) -> String {
        let builder = &mut *self.builder;
        let [share, half, one] =
            [std::f32::consts::FRAC_1_SQRT_2, 0.5, 1.0].map(|value| builder.float(value));
        let inner = builder.node("Mul", &[x, &share], []);
        let erf = builder.node("Erf", &[&inner], []);
        let erf = builder.node("Add", &[&erf, &one], []);
        let halved = builder.node("Mul", &[x, &half], []);
        builder.node("Mul", &[&halved, &erf], [])
    }
}
