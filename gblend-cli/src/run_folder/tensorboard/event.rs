//! The protocol buffers of an event file, as far as scalars need them: `tensorflow.Event` and `tensorflow.Summary`,
//! <https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/event.proto>.

use prost::Message;

/// What stands in the first event of every file.
const VERSION: &str = "brain.Event:2";

/// One event: the version of the file, or scalars of one step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    #[prost(string, optional, tag = "3")]
    pub(super) file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub(super) summary: Option<Scalars>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Scalars {
    #[prost(message, repeated, tag = "1")]
    pub(super) value: Vec<Scalar>,
}

/// `tensorflow.Summary.Value`. What value it has is one of several fields there, so a 0 is written too.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Scalar {
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    #[prost(float, optional, tag = "2")]
    pub(super) simple_value: Option<f32>,
}

impl Event {
    /// The first event of a file.
    pub(super) fn version(wall_time: f64) -> Self {
        Self {
            wall_time,
            step: 0,
            file_version: Some(VERSION.into()),
            summary: None,
        }
    }

    /// Values by their tags.
    pub(super) fn scalars(
        wall_time: f64,
        step: usize,
        scalars: impl IntoIterator<Item = (String, f64)>,
    ) -> Self {
        let value = scalars.into_iter().map(|(tag, value)| Scalar {
            tag,
            simple_value: Some(value as f32),
        });
        Self {
            wall_time,
            step: i64::try_from(step).unwrap_or(i64::MAX),
            file_version: None,
            summary: Some(Scalars {
                value: value.collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hexadecimal(event: &Event) -> String {
        let bytes = event.encode_to_vec();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn events_are_the_bytes_that_the_tensorboard_package_makes_of_them() {
        // Of `Event.SerializeToString()` of tensorboard 2.21.
        assert_eq!(
            hexadecimal(&Event::version(1.5)),
            "09000000000000f83f1a0d627261696e2e4576656e743a32"
        );
        let scalars = [("a/b".to_owned(), 0.0), ("weight/joint".to_owned(), 0.25)];
        assert_eq!(
            hexadecimal(&Event::scalars(1.5, 3, scalars)),
            "09000000000000f83f10032a210a0a0a03612f6215000000000a130a0c7765696768742f6a6f696e74150000803e"
        );
    }
}
