//! The targets.

use gblend_cli::fuzzing;
use gblend_core::{Array, FitContext, Fitted, Media, Modality, serde_json};
use gblend_modalities::sequence::Sequence;
use gblend_modalities::text::Text;
use gblend_modalities::vector::Vector;

use crate::repair;

/// A reader of bytes that are not trusted.
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Reads the bytes and says whether it accepted them.
    pub run: fn(&[u8]) -> bool,
    /// What it may take.
    pub memory: Memory,
    /// Mends checksums, without which no changed input gets past the first check.
    pub repair: Option<fn(&mut [u8])>,
    /// Inputs of a smoke test.
    pub iterations: u64,
}

/// The memory that an input justifies.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Whatever the input is: buffers of fixed size, tables of constants.
    pub fixed: usize,
    /// For each byte of the input.
    pub per_byte: usize,
}

impl Memory {
    /// Bytes for an input of this length.
    pub fn limit(self, length: usize) -> usize {
        self.per_byte.saturating_mul(length).saturating_add(self.fixed)
    }
}

const fn memory(fixed: usize, per_byte: usize) -> Memory {
    Memory { fixed, per_byte }
}

/// Bytes that one byte of a deflate stream can become at most.
const DEFLATE: usize = 1032;

const KIB: usize = 1 << 10;

const fn target(name: &'static str, run: fn(&[u8]) -> bool, memory: Memory, iterations: u64) -> Target {
    Target {
        name,
        run,
        memory,
        repair: None,
        iterations,
    }
}

impl Target {
    const fn repaired(mut self, repair: fn(&mut [u8])) -> Self {
        self.repair = Some(repair);
        self
    }
}

/// All of them.
pub static TARGETS: [Target; 30] = [
    target("config", fuzzing::config, memory(1024 * KIB, 1024), 2_000),
    target("overrides", fuzzing::overrides, memory(1024 * KIB, 1024), 2_000),
    target("curves", fuzzing::curves, memory(64 * KIB, 256), 20_000),
    target(
        "test_samples",
        fuzzing::test_samples,
        memory(64 * KIB, 256),
        20_000,
    ),
    target("table_csv", fuzzing::manifest::csv, memory(64 * KIB, 256), 20_000),
    target(
        "table_json",
        fuzzing::manifest::json_lines,
        memory(160 * KIB, 2048),
        100_000,
    ),
    target(
        "number_lists",
        fuzzing::manifest::number_lists,
        memory(160 * KIB, 2048),
        50_000,
    ),
    // A byte may stand for 1024 rows, which have 32 bytes each in a column of files that grows.
    target(
        "table_parquet",
        fuzzing::manifest::parquet,
        memory(4096 * KIB, 64 * KIB),
        20_000,
    ),
    target(
        "template",
        fuzzing::manifest::template,
        memory(64 * KIB, 256),
        20_000,
    ),
    target("shard", fuzzing::manifest::shard, memory(256 * KIB, 64), 5_000).repaired(repair::tar),
    target("npy", fuzzing::manifest::npy, memory(KIB, 16), 100_000),
    // A byte that is unpacked becomes a float, and a buffer that grows is twice as long.
    target(
        "npz_rows",
        fuzzing::rows::npz,
        memory(128 * KIB, 8 * DEFLATE),
        20_000,
    )
    .repaired(repair::zip),
    target(
        "safetensors_rows",
        fuzzing::rows::safetensors,
        memory(16 * KIB, 256),
        20_000,
    ),
    // A pixel of one bit becomes four bytes of color at most, a few times over.
    target(
        "picture",
        fuzzing::manifest::picture,
        memory(1024 * KIB, 8 * DEFLATE * 16),
        50_000,
    )
    .repaired(repair::png),
    // One color takes as many bytes whatever the size: what the sample's limit lets through, as it is decoded and as it is kept.
    target(
        "webp",
        fuzzing::manifest::picture,
        memory(320 * 1024 * KIB, 64 * KIB),
        5_000,
    ),
    // Two samples in a byte, of four bytes each, and the others of the part that is decoded.
    target("wav", fuzzing::manifest::wav, memory(64 * KIB, 32), 100_000),
    target(
        "sound",
        fuzzing::manifest::compressed_sound,
        memory(8192 * KIB, 4096),
        20_000,
    ),
    // The last two pages of an Ogg file, which are no longer than the file.
    target("video", fuzzing::manifest::video, memory(16 * KIB, 4), 100_000),
    target(
        "decoded_video",
        fuzzing::manifest::decoded_video,
        memory(KIB, 64),
        100_000,
    ),
    target("idx", fuzzing::idx, memory(64 * KIB, 4 * DEFLATE), 100_000),
    target("recording", fuzzing::recording, memory(64 * KIB, 32), 100_000),
    target("segment", fuzzing::segment, memory(8 * KIB, 64), 100_000).repaired(repair::segment),
    target(
        "model_weights",
        fuzzing::model_weights,
        memory(4 * KIB, 256),
        100_000,
    ),
    target("pretrained", fuzzing::pretrained, memory(8 * KIB, 256), 100_000),
    target("run_files", fuzzing::run_files, memory(4 * KIB, 256), 100_000),
    target("fitted", fitted, memory(4096 * KIB, 16 * KIB), 20_000),
    target("tokenizer", tokenizer, memory(4096 * KIB, 16 * KIB), 5_000),
    target("flo", fuzzing::manifest::flo, memory(KIB, 4), 100_000),
    target(
        "depth_image",
        fuzzing::manifest::depth_image,
        memory(256 * KIB, 4 * DEFLATE),
        50_000,
    )
    .repaired(repair::png),
    target("matlab", matlab, memory(64 * KIB, 8 * DEFLATE), 100_000),
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// What a modality has fitted, a tokenizer among it, applied to a sample.
fn fitted(bytes: &[u8]) -> bool {
    let Ok(fitted) = serde_json::from_slice::<Fitted>(bytes) else {
        return false;
    };
    let array = |shape: &[usize], values: &[f32]| Array::new(shape, values.to_vec()).map(Media::Array);
    let text = Text {
        length: 8,
        bytes: 40,
        ..Text::default()
    };
    let vector = Vector {
        categorical: vec![2],
        ..Vector::default()
    };
    let all: [(&dyn Modality, _); 3] = [
        (&vector, array(&[3], &[1.0, f32::NAN, 2.0])),
        (&Sequence::default(), array(&[2, 2], &[1.0, 2.0, f32::NAN, 3.0])),
        (&text, Ok(Media::Text("The tide, 潮 and e\u{301}bb".to_owned()))),
    ];
    all.into_iter().any(|(modality, media)| {
        let prepared = media.and_then(|media| modality.prepare(&media));
        prepared
            .and_then(|sample| modality.apply(sample, &fitted))
            .is_ok()
    })
}

/// A `tokenizer.json`, which has to lie in a file, in the hands of a text that is fitted with it.
fn tokenizer(bytes: &[u8]) -> bool {
    let Ok(folder) = tempfile::tempdir() else {
        return false;
    };
    if std::fs::write(folder.path().join("tokenizer.json"), bytes).is_err() {
        return false;
    }
    let text = Text {
        length: 8,
        bytes: 40,
        tokenizer: Some("tokenizer.json".into()),
        min_samples: 1,
        ..Text::default()
    };
    let Ok(sample) = text.prepare(&Media::Text("The tide, 潮 and e\u{301}bb".to_owned())) else {
        return false;
    };
    let read = |_| Ok(sample.clone());
    let fitted = text.fit(&FitContext::new(folder.path(), 1, &read));
    fitted.is_ok_and(|fitted| text.apply(sample.clone(), &fitted).is_ok())
}

fn matlab(bytes: &[u8]) -> bool {
    gblend_inertial::matlab::parse(bytes, "d_iner").is_ok()
}
