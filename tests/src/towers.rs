//! A configuration of two towers.

/// Pictures that are matched with captions, and augmentations of them with each other.
pub const TOWERS: &str = r#"
[run]
epochs = 2
batch_size = 16

[data]
kind = "scene"
captions = true
train_samples = 72
test_samples = 40
frames = 2
size = 12

[objective]
kind = "match"
width = 8
block = 16

[modality.camera]
kind = "rgb"
encoder = { channels = [4, 8], features = 6 }
augment = { crop = 0.6, contrast = 0.3 }

[modality.camera.objective]
kind = "views"
width = 8
hidden = [8]
block = 16

[modality.caption]
kind = "text"
length = 12
width = 8

[modality.caption.objective]
kind = "none"

[blend]
kind = "equal"
"#;

/// The same with an encoder of pictures that treats each by itself, as one that normalizes over a batch does not.
pub fn towers_by_themselves() -> String {
    let encoder = "encoder = { architecture = \"transformer\", patch = 4, width = 8, heads = 2, depth = 1 }";
    let towers = TOWERS.replace("encoder = { channels = [4, 8], features = 6 }", encoder);
    assert_ne!(towers, TOWERS);
    towers
}
