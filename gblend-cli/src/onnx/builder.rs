//! A graph of ONNX operators in the making.

use std::collections::{HashMap, HashSet};

use gblend_core::Array;

use super::proto::{Attribute, Element, Graph, Node, Tensor, Value, int};
use crate::error::{Error, Result};

/// A graph of ONNX operators in the making. Values are called by names.
#[derive(Default)]
pub(super) struct Builder {
    graph: Graph,
    names: HashSet<String>,
    /// How often a name was wanted that was taken.
    numbers: HashMap<String, usize>,
    /// Initializers by what they hold, so that none is there twice.
    constants: HashMap<(i32, Vec<i64>, Vec<u8>), String>,
}

impl Builder {
    /// An input.
    ///
    /// # Errors
    /// [`Error::NotExported`] if another tensor has its name.
    pub(super) fn input(&mut self, value: Value) -> Result<()> {
        if !self.names.insert(value.name.clone()) {
            let problem = format!(
                "two tensors would be called `{}`; give the modality another name",
                value.name
            );
            return Err(Error::NotExported(problem));
        }
        self.graph.input.push(value);
        Ok(())
    }

    /// Keeps a name for later.
    pub(super) fn reserve(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    /// What a node with one output makes.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> String {
        let name = self.free(&operator.to_lowercase());
        self.push(operator, inputs, &name, attributes);
        name
    }

    /// As [`node`](Self::node), under a name that was [reserved](Self::reserve).
    pub(super) fn output(&mut self, from: &str, value: Value) {
        self.push("Identity", &[from], &value.name, []);
        self.graph.output.push(value);
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: impl IntoIterator<Item = Attribute>,
    ) {
        self.graph.node.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes.into_iter().collect(),
        });
    }

    /// A parameter, under its path.
    pub(super) fn parameter(&mut self, path: &str, values: &Array) -> String {
        let name = self.free(path);
        let shape = values.shape().iter().copied().map(int).collect();
        self.initializer(&name, Element::Float, shape, bytes(values.values()));
        name
    }

    /// Numbers of this shape.
    pub(super) fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        let shape = shape.iter().copied().map(int).collect();
        self.constant(Element::Float, shape, bytes(values))
    }

    /// A number.
    pub(super) fn float(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    /// A list of whole numbers.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(Element::Int64, vec![int(values.len())], bytes)
    }

    /// A whole number.
    pub(super) fn int(&mut self, value: i64) -> String {
        self.constant(Element::Int64, Vec::new(), value.to_le_bytes().to_vec())
    }

    fn constant(&mut self, element: Element, shape: Vec<i64>, bytes: Vec<u8>) -> String {
        let key = (element.number(), shape, bytes);
        if let Some(known) = self.constants.get(&key) {
            return known.clone();
        }
        let name = self.free("constant");
        self.initializer(&name, element, key.1.clone(), key.2.clone());
        self.constants.insert(key, name.clone());
        name
    }

    fn initializer(&mut self, name: &str, element: Element, dims: Vec<i64>, raw_data: Vec<u8>) {
        self.graph.initializer.push(Tensor {
            dims,
            data_type: element.number(),
            name: name.to_owned(),
            raw_data,
        });
    }

    /// A name that nothing has yet: this one, or with a number behind it.
    fn free(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        while !self.names.insert(free.clone()) {
            let number = self.numbers.entry(name.to_owned()).or_default();
            *number += 1;
            free = format!("{name}_{number}");
        }
        free
    }

    /// The graph.
    pub(super) fn finish(self, name: &str) -> Graph {
        Graph {
            name: name.to_owned(),
            ..self.graph
        }
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_values_have_one_name_and_no_constant_is_there_twice() {
        let mut builder = Builder::default();
        builder.reserve("relu");
        let names = [builder.node("Relu", &["x"], []), builder.node("Relu", &["x"], [])];
        assert_eq!(names, ["relu_1", "relu_2"]);
        assert_eq!(builder.float(2.0), builder.float(2.0));
        assert_ne!(builder.float(2.0), builder.floats(&[1], &[2.0]));
        assert_ne!(builder.int(1), builder.ints(&[1]));
        assert_eq!(builder.finish("g").initializer.len(), 4);
    }
}
