//! Encoders that start from parameters that were trained before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gblend_core::params::{State, load_state, state_of};
use gblend_core::{Array, Look, Reference, memory};
use safetensors::SafeTensors;

use crate::config::{Config, ModalityConfig, Objectives, Pretrained, PretrainedFile};
use crate::error::{Error, Result};
use crate::files::floats_of;
use crate::network::Multimodal;
use crate::records::{NamedShape, Origin, Origins};
use crate::run_folder::TrainedRun;

/// Puts the parameters of pre-trained encoders into a network that was built, and tells where they came from.
///
/// # Errors
/// [`Error::Run`] if a run has no encoder that fits, a setting's error if a file has none.
pub(super) fn initialize(config: &Config, model: &mut Multimodal) -> Result<Origins> {
    let mut origins = Origins::default();
    let mut state: Option<State> = None;
    for modality in &config.modalities {
        let Some(pretrained) = &modality.pipeline.pretrained else {
            continue;
        };
        let state = match &mut state {
            Some(state) => state,
            empty => empty.insert(state_of(model)?),
        };
        let path = config.base.join(pretrained.path());
        let prefix = format!("{}.encoder.", modality.name);
        let encoder = state
            .iter_mut()
            .filter_map(|(path, array)| Some((path.strip_prefix(&prefix)?, array)));
        let origin = match pretrained {
            Pretrained::Run(run) => Origin {
                from: run.display().to_string(),
                ..from_run(&modality.key("pretrained"), &path, &prefix, encoder)?
            },
            Pretrained::File(file) => {
                let refused = |expected: String| {
                    let key = modality.key("pretrained");
                    gblend_core::Error::setting(key, path.display(), expected)
                };
                let bytes = read(&path)?;
                if let Some(problem) = pickle(&bytes, &path) {
                    return Err(refused(problem).into());
                }
                let found = fit(&bytes, file, encoder.collect()).map_err(refused)?;
                Origin {
                    from: file.file.display().to_string(),
                    blake3: blake3::hash(&bytes).to_hex().to_string(),
                    ..found
                }
            }
        };
        origins.modalities.insert(modality.name.clone(), origin);
    }
    if let Some(state) = state {
        load_state(model, &state)?;
    }
    Ok(origins)
}

/// Sets the frozen encoders that others are to stay near: each to the encoder as training finds it, or to that of another run.
///
/// # Errors
/// [`Error::Run`] if a run has no encoder that fits.
pub(super) fn set_references(
    config: &Config,
    objectives: &Objectives<'_>,
    model: &mut Multimodal,
) -> Result<()> {
    let looks = config.modalities.iter().enumerate();
    let references: Vec<(&ModalityConfig, Reference)> = looks
        .filter_map(|(head, modality)| match objectives.of_head(head).look() {
            Look::BesideReference(reference) => Some((modality, reference)),
            _ => None,
        })
        .collect();
    if references.is_empty() {
        return Ok(());
    }
    let mut state = state_of(model)?;
    for (modality, reference) in references {
        let [of_encoder, of_reference] =
            ["encoder", "reference"].map(|part| format!("{}.{part}.", modality.name));
        let mut found: State = state
            .iter()
            .filter_map(|(path, array)| Some((path.strip_prefix(&of_encoder)?.to_owned(), array.clone())))
            .collect();
        if let Reference::Run(run) = reference {
            let parameters = found.iter_mut().map(|(path, array)| (path.as_str(), array));
            let key = modality.key("objective.to");
            from_run(&key, &config.base.join(run), &of_encoder, parameters)?;
        }
        for (path, array) in found {
            state.insert(format!("{of_reference}{path}"), array);
        }
    }
    load_state(model, &state)?;
    Ok(())
}

/// Takes the encoder of the same name from a run folder.
fn from_run<'a>(
    key: &str,
    folder: &Path,
    prefix: &str,
    encoder: impl Iterator<Item = (&'a str, &'a mut Array)>,
) -> Result<Origin> {
    let run = TrainedRun::open_ended(folder)?;
    let mut origin = Origin {
        blake3: run.model.blake3,
        ..Origin::default()
    };
    for (name, parameter) in encoder {
        let path = format!("{prefix}{name}");
        let problem = match run.state.get(&path) {
            Some(found) if found.shape() == parameter.shape() => {
                parameter.clone_from(found);
                origin.loaded += 1;
                origin.loaded_values += found.len();
                continue;
            }
            Some(found) => format!("has shape {:?} there", found.shape()),
            None => "is not there".to_owned(),
        };
        return Err(Error::Run {
            folder: folder.to_owned(),
            problem: format!(
                "{key}: parameter `{path}` of shape {:?} {problem}; name a run with the same encoder under the same name",
                parameter.shape()
            ),
        });
    }
    Ok(origin)
}

/// The whole file, if the machine has room for it.
fn read(path: &Path) -> Result<Vec<u8>> {
    let length = std::fs::metadata(path).map_err(Error::read(path))?.len();
    memory::check_room(length, || format!("the parameters of {}", path.display()))?;
    std::fs::read(path).map_err(Error::read(path))
}

/// What to say of a file that is a pickle: reading one can run code.
fn pickle(bytes: &[u8], path: &Path) -> Option<String> {
    let is_pickle = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02");
    is_pickle.then(|| {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (from, to) = (name(path), name(&path.with_extension("safetensors")));
        format!(
            "a safetensors file, as a pickle of PyTorch can run code when it is read: save it as one with `python -c \"import \
             torch, safetensors.torch as s; s.save_file(torch.load('{from}', weights_only=True), '{to}')\"`"
        )
    })
}

/// A name as the encoder has it: parameters of normalizations are called `gamma` and `beta` in files that come from TensorFlow, and
/// `weight` and `bias` in others.
fn known_as(name: String, encoder: &BTreeMap<&str, &mut Array>) -> String {
    if encoder.contains_key(name.as_str()) {
        return name;
    }
    let other =
        [("gamma", "weight"), ("beta", "bias")]
            .into_iter()
            .find_map(|(of_tensorflow, of_pytorch)| {
                let parent = name.strip_suffix(of_tensorflow)?;
                parent.ends_with('.').then(|| format!("{parent}{of_pytorch}"))
            });
    other
        .filter(|other| encoder.contains_key(other.as_str()))
        .unwrap_or(name)
}

/// Overwrites the arrays of an encoder, by name, with those that a safetensors file has of them. Of the origin, it tells all but
/// the file.
///
/// # Errors
/// What would have been accepted in place of the file, and what is wrong with it.
pub(crate) fn fit(
    bytes: &[u8],
    settings: &PretrainedFile,
    mut encoder: BTreeMap<&str, &mut Array>,
) -> std::result::Result<Origin, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("a safetensors file, and it cannot be read as one: {error}"))?;
    let wanted: usize = encoder.values().map(|array| array.len()).sum();
    let mut origin = Origin::default();
    let mut tensors = file.tensors();
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (mut unfit, mut taken) = (Vec::new(), BTreeSet::new());
    for (name, view) in tensors {
        let own = name.strip_prefix(&settings.prefix);
        let own = own.map(|own| known_as(renamed(own, &settings.names), &encoder));
        let array = own.as_deref().and_then(|own| encoder.remove(own));
        let (Some(own), Some(array)) = (&own, array) else {
            if own.as_ref().is_some_and(|own| taken.contains(own)) {
                unfit.push(format!("`{name}` is to be what another array is already"));
            }
            origin.left_over.push(named(&name, view.shape()));
            continue;
        };
        taken.insert(own.clone());
        if !same_values(view.shape(), array.shape()) {
            let (found, expected) = (view.shape(), array.shape());
            unfit.push(format!(
                "`{name}` has shape {found:?}, and {expected:?} in the encoder"
            ));
            continue;
        }
        match floats_of(&view).and_then(|values| usable(own, values)) {
            Err(problem) => unfit.push(format!("`{name}` {problem}")),
            Ok(values) => {
                origin.loaded += 1;
                origin.loaded_values += values.len();
                array.values_mut().copy_from_slice(&values);
            }
        }
    }
    if !unfit.is_empty() {
        let more = match unfit.len() {
            count if count > LISTED => format!("; and {} others", count - LISTED),
            _ => String::new(),
        };
        unfit.truncate(LISTED);
        return Err(format!("arrays that fit the encoder: {}{more}", unfit.join("; ")));
    }
    origin.missing = encoder
        .iter()
        .map(|(name, array)| named(name, array.shape()))
        .collect();
    if origin.loaded == 0 {
        return Err(format!(
            "a file with arrays of the encoder, which has {}; this one has {}: pretrained.prefix and pretrained.names bring \
             names together",
            NamedShape::list(&origin.missing),
            NamedShape::list(&origin.left_over),
        ));
    }
    let share = origin.loaded_values as f64 / wanted.max(1) as f64;
    if !origin.missing.is_empty() && (share < settings.part || settings.part >= 1.0) {
        return Err(format!(
            "all of the encoder's values, or a share of {} (pretrained.part), and the file has {share:.4}: it lacks {}; left over \
             is {}",
            settings.part,
            NamedShape::list(&origin.missing),
            NamedShape::list(&origin.left_over),
        ));
    }
    Ok(origin)
}

/// Whether arrays of two shapes have the same values in the same order: axes of extent 1 order nothing. A convolution over time
/// has five axes in PyTorch and four here.
fn same_values(a: &[usize], b: &[usize]) -> bool {
    let others =
        |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|&extent| extent != 1).collect() };
    others(a) == others(b)
}

/// Arrays that do not fit which a message lists.
const LISTED: usize = 8;

fn named(name: &str, shape: &[usize]) -> NamedShape {
    NamedShape {
        name: name.to_owned(),
        shape: shape.to_vec(),
    }
}

/// A name with what it begins with replaced: by the longest of the names that it is, or begins with up to a dot.
fn renamed(name: &str, names: &BTreeMap<String, String>) -> String {
    let fitting = names.iter().filter_map(|(from, to)| {
        let rest = name.strip_prefix(from.as_str())?;
        (rest.is_empty() || rest.starts_with('.')).then_some((from.len(), to, rest))
    });
    let longest = fitting.max_by_key(|&(length, _, _)| length);
    longest.map_or_else(|| name.to_owned(), |(_, to, rest)| format!("{to}{rest}"))
}

/// Values that a network can compute with.
fn usable(name: &str, values: Vec<f32>) -> std::result::Result<Vec<f32>, String> {
    let is_variance = name.ends_with("running_var") || name.ends_with("running_variance");
    match values
        .iter()
        .find(|value| !value.is_finite() || is_variance && **value < 0.0)
    {
        None => Ok(values),
        Some(value) if value.is_finite() => Err(format!("has {value}, and is a variance")),
        Some(value) => Err(format!("has {value}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use safetensors::tensor::{Dtype, TensorView};

    fn settings(prefix: &str, names: &[(&str, &str)], part: f64) -> PretrainedFile {
        let names = names.iter().map(|&(from, to)| (from.to_owned(), to.to_owned()));
        PretrainedFile {
            file: "x.safetensors".into(),
            prefix: prefix.to_owned(),
            names: names.collect(),
            part,
        }
    }

    fn file(arrays: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Vec<u8> {
        let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
            (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
        });
        safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// An encoder with a weight of four values and a variance of two, and what becomes of it.
    fn fitted(bytes: &[u8], settings: &PretrainedFile) -> std::result::Result<(State, Origin), String> {
        let mut state = State::new();
        state.insert("conv.weight".into(), Array::zeros([2, 2]));
        state.insert("norm.running_var".into(), Array::zeros([2]));
        let encoder = state.iter_mut().map(|(name, array)| (name.as_str(), array));
        let origin = fit(bytes, settings, encoder.collect())?;
        Ok((state, origin))
    }

    #[test]
    fn names_are_found_behind_the_prefix_and_under_the_names_that_are_given() {
        let bytes = file(&[
            (
                "net.stem.weight",
                Dtype::F32,
                &[2, 2],
                f32s(&[1.0, 2.0, 3.0, 4.0]),
            ),
            ("net.stemmed.weight", Dtype::F32, &[1], f32s(&[9.0])),
            (
                "net.bn.var",
                Dtype::F64,
                &[2],
                [0.5_f64, 0.25].iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            ("fc.weight", Dtype::I64, &[0], Vec::new()),
        ]);
        let given = settings(
            "net.",
            &[("stem", "conv"), ("bn.var", "norm.running_var"), ("bn", "no")],
            1.0,
        );
        let (state, origin) = fitted(&bytes, &given).unwrap();
        assert_eq!(state["conv.weight"].values(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(state["norm.running_var"].values(), [0.5, 0.25]);
        assert_eq!(
            (origin.loaded, origin.loaded_values, origin.missing.len()),
            (2, 6, 0)
        );
        let left: Vec<String> = origin.left_over.iter().map(NamedShape::to_string).collect();
        assert_eq!(left, ["fc.weight [0]", "net.stemmed.weight [1]"]);
    }

    #[test]
    fn half_precision_is_read_as_what_it_stands_for() {
        let bytes = file(&[
            (
                "conv.weight",
                Dtype::F16,
                &[2, 2],
                [1.5_f32, -2.0, 0.0, 0.25]
                    .iter()
                    .flat_map(|&v| half::f16::from_f32(v).to_le_bytes())
                    .collect(),
            ),
            (
                "norm.running_var",
                Dtype::BF16,
                &[2],
                [3.0_f32, 0.5]
                    .iter()
                    .flat_map(|&v| half::bf16::from_f32(v).to_le_bytes())
                    .collect(),
            ),
        ]);
        let (state, _) = fitted(&bytes, &settings("", &[], 1.0)).unwrap();
        assert_eq!(state["conv.weight"].values(), [1.5, -2.0, 0.0, 0.25]);
        assert_eq!(state["norm.running_var"].values(), [3.0, 0.5]);
    }

    #[test]
    fn what_is_missing_is_an_error_unless_that_part_may_be() {
        let bytes = file(&[("conv.weight", Dtype::F32, &[2, 2], f32s(&[1.0; 4]))]);
        for (part, fits) in [(1.0, false), (0.7, false), (0.6, true)] {
            let found = fitted(&bytes, &settings("", &[], part));
            assert_eq!(found.is_ok(), fits, "{part}");
            match found {
                Ok((state, origin)) => {
                    assert_eq!(origin.missing, [named("norm.running_var", &[2])]);
                    assert_eq!(state["norm.running_var"].values(), [0.0, 0.0]);
                }
                Err(error) => assert!(error.contains("norm.running_var [2]"), "{error}"),
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name_with_what_is_wrong() {
        let good = || ("norm.running_var", Dtype::F32, &[2][..], f32s(&[1.0, 1.0]));
        for (arrays, parts) in [
            (
                vec![("conv.weight", Dtype::F32, &[4][..], f32s(&[0.0; 4])), good()],
                ["`conv.weight`", "[4], and [2, 2]"],
            ),
            (
                vec![("conv.weight", Dtype::I32, &[2, 2][..], f32s(&[0.0; 4])), good()],
                ["`conv.weight`", "I32"],
            ),
            (
                vec![
                    (
                        "conv.weight",
                        Dtype::F32,
                        &[2, 2][..],
                        f32s(&[0.0, f32::NAN, 0.0, 0.0]),
                    ),
                    good(),
                ],
                ["`conv.weight`", "NaN"],
            ),
            (
                vec![("norm.running_var", Dtype::F32, &[2][..], f32s(&[1.0, -1.0]))],
                ["`norm.running_var`", "-1"],
            ),
            (
                vec![("a.weight", Dtype::F32, &[2][..], f32s(&[1.0, 1.0]))],
                ["a.weight [2]", "pretrained.prefix"],
            ),
        ] {
            let error = fitted(&file(&arrays), &settings("", &[], 0.1)).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{error}");
            }
        }
        let twice = file(&[
            ("a.weight", Dtype::F32, &[2, 2], f32s(&[0.0; 4])),
            ("conv.weight", Dtype::F32, &[2, 2], f32s(&[1.0; 4])),
        ]);
        let error = fitted(&twice, &settings("", &[("a", "conv")], 0.1)).unwrap_err();
        assert!(
            error.contains("`conv.weight` is to be what another array is already"),
            "{error}"
        );
    }

    #[test]
    fn a_pickle_is_refused_with_what_to_do() {
        for bytes in [&b"PK\x03\x04rest"[..], b"\x80\x02}q"] {
            let told = pickle(bytes, Path::new("some/net.pth")).unwrap();
            assert!(
                told.contains("torch.load('net.pth', weights_only=True), 'net.safetensors'"),
                "{told}"
            );
        }
        assert_eq!(pickle(&file(&[]), Path::new("net.pth")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = fitted(&bytes, &settings("", &[], 0.5));
        }
    }
}
