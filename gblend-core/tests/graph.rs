//! What a trace tells of a network, and what it refuses.
#![allow(clippy::unwrap_used)]

use gblend_core::graph::{Extent, Graph, Operation, is_tracing, within};
use gblend_core::nn::{
    Embedding, Gru, GruOptions, Linear, add, cross_entropy, fork, multiply, relu, repeat, scale, step_mean,
    steps_of,
};
use gblend_core::params::{Module, ParamPath, ParamVisitor};
use gblend_core::recorder::Recorder;
use gblend_core::tensor::{Features, Plain, reshape};
use gblend_core::trace::trace;
use gblend_core::{Array, AutoDevice, Batch, Pass, Result, Seed};

/// A layer, and whatever is done with it.
struct Network {
    linear: Linear,
}

impl Module for Network {
    fn visit_params(&mut self, path: &ParamPath, visitor: &mut dyn ParamVisitor) -> Result<()> {
        self.linear.visit_params(&path.join("linear"), visitor)
    }
}

fn batch(shape: &[usize], samples: usize) -> Batch {
    let mut sample = Array::zeros(shape);
    sample.values_mut().fill(1.0);
    Batch::stack(&AutoDevice::default(), &vec![&sample; samples]).unwrap()
}

/// The graph of what is done to a batch of samples `[3]`.
fn graph_of(run: impl Fn(&Network, &Batch) -> Result<Features>) -> Result<Graph> {
    let mut network = Network {
        linear: Linear::new(&AutoDevice::default(), 3, 2, Seed::new(1)).unwrap(),
    };
    let mut traced = |samples: usize| {
        let batch = batch(&[3], samples);
        trace(&mut network, &[("numbers", &batch)], |network| {
            Ok(vec![run(network, &batch)?])
        })
    };
    let traces = (traced(2)?, traced(3)?);
    Graph::of(traces.0, traces.1)
}

fn rows(batch: &Batch) -> Result<Features> {
    batch.rows(Pass::evaluate().recorder())
}

fn names(graph: &Graph) -> Vec<String> {
    graph.nodes().map(|(_, node)| node.operation.name()).collect()
}

/// What is wrong with a network, in words.
fn refusal(run: impl Fn(&Network, &Batch) -> Result<Features>) -> String {
    graph_of(run).unwrap_err().to_string()
}

#[test]
fn a_graph_has_the_operations_that_outputs_need_under_the_paths_of_parameters() {
    let graph = graph_of(|network, batch| {
        let (rows, unused) = fork(rows(batch)?);
        scale(unused, 2.0)?;
        relu(network.linear.forward(rows)?)
    })
    .unwrap();
    assert_eq!(
        names(&graph),
        ["Columns", "Parameter", "Parameter", "Linear", "Relu"]
    );
    let paths = graph.nodes().filter_map(|(_, node)| match &node.operation {
        Operation::Parameter { path, .. } => Some(path.as_str()),
        _ => None,
    });
    assert_eq!(paths.collect::<Vec<_>>(), ["linear.weight", "linear.bias"]);
    let [output] = graph.outputs() else {
        unreachable!("one output was told");
    };
    let shape = &graph.node(*output).unwrap().shape;
    assert_eq!(shape.as_slice(), [Extent::PerSample(1), Extent::Fixed(2)]);
}

#[test]
fn extents_that_grow_with_the_batch_are_multiples_of_it() {
    let graph = graph_of(|_, batch| {
        let rows = rows(batch)?;
        let samples = batch.len();
        let long = reshape(rows, (samples * 3, 1))?;
        reshape(long, (samples, 3))
    })
    .unwrap();
    let shapes: Vec<&[Extent]> = graph.nodes().map(|(_, node)| node.shape.as_slice()).collect();
    assert_eq!(shapes[1], [Extent::PerSample(3), Extent::Fixed(1)]);
}

#[test]
fn sequences_are_complete_and_their_mask_is_an_operand() {
    let device = AutoDevice::default();
    let options = GruOptions {
        hidden: 4,
        layers: 1,
        bidirectional: false,
        dropout: 0.0,
    };
    let mut gru = Gru::new(&device, 2, &options, Seed::new(1)).unwrap();
    let mut traced = |samples: usize| {
        // A mask of zeros: what a batch holds decides nothing.
        let batch = Batch::stack(&device, &vec![&Array::zeros([3, 5]); samples]).unwrap();
        let pass = Pass::evaluate();
        trace(&mut gru, &[("steps", &batch)], |gru| {
            let (rows, steps) = steps_of(&batch, &pass)?;
            Ok(vec![step_mean(gru.forward(rows, &steps, &pass)?, &steps)?])
        })
        .unwrap()
    };
    let graph = Graph::of(traced(2), traced(3)).unwrap();
    let masks: Vec<_> = graph
        .nodes()
        .filter(|(_, node)| node.operation == Operation::StepMask("steps".to_owned()))
        .collect();
    let [(mask, node)] = masks.as_slice() else {
        unreachable!("one input has one mask");
    };
    assert_eq!(node.shape, [Extent::PerSample(1), Extent::Fixed(5)]);
    for reader in ["Gru", "StepMean"] {
        let reader = graph
            .nodes()
            .find(|(_, node)| node.operation.name() == reader)
            .unwrap()
            .1;
        assert_eq!(reader.operands.last(), Some(mask));
    }
}

#[test]
fn tokens_are_numbers_of_rows_whatever_the_batch_holds() {
    let device = AutoDevice::default();
    let mut embedding = Embedding::new(&device, 5, 2, Some(0), Seed::new(1)).unwrap();
    let mut traced = |samples: usize| {
        let batch = Batch::stack(&device, &vec![&Array::zeros([4]); samples]).unwrap();
        trace(&mut embedding, &[("words", &batch)], |embedding| {
            Ok(vec![embedding.forward_mean(&batch, &Pass::evaluate())?])
        })
        .unwrap()
    };
    let graph = Graph::of(traced(2), traced(3)).unwrap();
    assert_eq!(
        names(&graph),
        ["Tokens", "TokenMask", "Parameter", "Embedding", "StepMean"]
    );
}

#[test]
fn a_constant_that_depends_on_the_number_of_samples_is_refused() {
    let told = refusal(|_, batch| {
        let rows = rows(batch)?;
        scale(rows, 1.0 / batch.len() as f32)
    });
    assert!(told.contains("2 samples") && told.contains("Scale"), "{told}");
    let told = refusal(|_, batch| {
        let shape = (batch.len(), 3);
        let mask = Plain::filled(&batch.device(), shape, 1.0)?;
        multiply(rows(batch)?, mask.enter(Recorder::off()))
    });
    assert!(told.contains("Constant"), "{told}");
}

#[test]
fn a_parameter_that_is_repeated_for_every_sample_is_not() {
    let graph = graph_of(|_, batch| {
        let row = Plain::filled(&batch.device(), (3,), 0.5)?;
        add(rows(batch)?, repeat(row.enter(Recorder::off()), 0, batch.len())?)
    });
    assert!(names(&graph.unwrap()).contains(&"Repeat".to_owned()));
}

#[test]
fn what_is_read_on_the_host_is_refused_by_the_name_of_the_part() {
    let told = refusal(|_, batch| {
        within(|| "modality `x`".to_owned(), || batch.to_host());
        rows(batch)
    });
    assert!(
        told.contains("modality `x` reads its batch on the host"),
        "{told}"
    );
    let told = refusal(|_, batch| {
        let rows = rows(batch)?;
        rows.to_vec();
        Ok(rows)
    });
    assert!(told.contains("reads values of a tensor on the host"), "{told}");
}

#[test]
fn the_result_of_a_loss_is_refused_where_it_is_used_and_nowhere_else() {
    let told = refusal(|_, batch| {
        let (kept, rows) = fork(rows(batch)?);
        let loss = cross_entropy(rows, &vec![0; batch.len()])?;
        add(kept, repeat(repeat(loss, 0, 3)?, 0, batch.len())?)
    });
    assert!(told.contains("such as a loss"), "{told}");
    let unused = graph_of(|_, batch| {
        let (kept, rows) = fork(rows(batch)?);
        cross_entropy(rows, &vec![0; batch.len()])?;
        Ok(kept)
    });
    assert_eq!(names(&unused.unwrap()), ["Columns"]);
}

#[test]
fn training_is_refused() {
    let device = AutoDevice::default();
    let mut norm = gblend_core::nn::RowBatchNorm::new(&device, 3).unwrap();
    let mut traced = |samples: usize| {
        let batch = batch(&[3], samples);
        trace(&mut norm, &[("numbers", &batch)], |norm| {
            Ok(vec![norm.forward(rows(&batch)?, &Pass::train(Seed::new(1)))?])
        })
        .unwrap()
    };
    let told = Graph::of(traced(2), traced(3)).unwrap_err().to_string();
    assert!(told.contains("training"), "{told}");
}

#[test]
fn nothing_is_traced_before_and_after() {
    assert!(!is_tracing());
    graph_of(|_, batch| {
        assert!(is_tracing());
        rows(batch)
    })
    .unwrap();
    assert!(!is_tracing());
    // Nor where a network fails.
    assert!(
        graph_of(|network, batch| network
            .linear
            .forward(reshape(rows(batch)?, (1, batch.len() * 3))?))
        .is_err()
    );
    assert!(!is_tracing());
}
