//! Objects of JSON, whose numbers keep the digits that they are written in.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Number, Value};

/// Digits up to which every number is the nearest one to its 64-bit float, and to no other float.
const DIGITS: usize = 15;

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonMember<'t> {
    /// Its name.
    pub(crate) key: String,
    /// What it is.
    pub(crate) value: Value,
    /// The same as it is written.
    text: &'t str,
}

/// The members of an object in their order.
///
/// # Errors
/// If the text is no JSON, no object, or has one key twice.
pub(crate) fn json_object(text: &str) -> serde_json::Result<Vec<JsonMember<'_>>> {
    let Members(members) = serde_json::from_str(text)?;
    // Keys and values by turns.
    let written = parts(text).into_iter().skip(1).step_by(2);
    let members = members.into_iter().zip(written);
    let members = members.map(|((key, value), text)| JsonMember { key, value, text });
    Ok(members.collect())
}

impl JsonMember<'_> {
    /// The value as the text of a cell, empty for null; none of a list or an object.
    pub(crate) fn plain(&self) -> Option<String> {
        plain(&self.value, self.text)
    }

    /// The items of a list as texts of cells; none of what is no list of such.
    pub(crate) fn items(&self) -> Option<Vec<String>> {
        let items = self.value.as_array()?.iter().zip(parts(self.text));
        items.map(|(value, text)| plain(value, text)).collect()
    }
}

fn plain(value: &Value, text: &str) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(number(value, text)),
        Value::String(value) => Some(value.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number in its usual form if a float tells it from every other one of as many digits, and otherwise as it is written:
/// identifiers of 20 digits would become one.
fn number(value: &Number, text: &str) -> String {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match digits > DIGITS {
        true => text.to_owned(),
        false => value.to_string(),
    }
}

/// What commas and colons divide the inside of a list or an object into. The text is JSON.
fn parts(text: &str) -> Vec<&str> {
    let text = text.trim();
    let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' | b':' if depth == 0 => {
                parts.push(inside.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = inside.get(start..).unwrap_or_default().trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// The members of an object as they come.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(A::Error::custom(format!(
                "the key `{}` stands twice in it, expected once",
                pair[0]
            ))),
            None => Ok(Members(members)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn plains(text: &str) -> Vec<(String, Option<String>)> {
        let members = json_object(text).unwrap();
        let plain = |member: JsonMember<'_>| (member.plain(), member.key);
        members
            .into_iter()
            .map(plain)
            .map(|(plain, key)| (key, plain))
            .collect()
    }

    #[test]
    fn long_numbers_keep_their_digits_and_short_ones_their_usual_form() {
        for (written, expected) in [
            ("12345678901234567890123", "12345678901234567890123"),
            ("12345678901234567890124", "12345678901234567890124"),
            ("-9223372036854775809", "-9223372036854775809"),
            ("18446744073709551615", "18446744073709551615"),
            ("9007199254740993", "9007199254740993"),
            ("0.1234567890123456789", "0.1234567890123456789"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("-7", "-7"),
            ("0", "0"),
        ] {
            let text = format!("{{ \"a:,\\\"[\" : {written} , \"b\": [1, {{\"c\": [2]}}] ,\"c\":\"x\"}}");
            let found = plains(&text);
            assert_eq!(found[0], ("a:,\"[".to_owned(), Some(expected.to_owned())));
            assert_eq!(found[1].1, None);
            assert_eq!(found[2].1.as_deref(), Some("x"));
            let list = format!("{{\"a\": [\"]\", {written} ,true]}}");
            let found = json_object(&list).unwrap()[0].items().unwrap();
            assert_eq!(found, ["]", expected, "true"]);
        }
        assert_eq!(json_object("{\"a\": []}").unwrap()[0].items(), Some(Vec::new()));
        assert_eq!(json_object(" { } ").unwrap(), []);
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let error = json_object("{\"a\": 1, \"b\": 2, \"a\": 1}")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`a` stands twice"), "{error}");
    }

    proptest! {
        /// Against `serde_json` itself: strings with all that may end a part, in lists and objects.
        #[test]
        fn every_member_has_its_own_text(
            texts in proptest::collection::vec("[a\\\\\"\\]\\[{},: é]{0,6}", 1..6),
            numbers in proptest::collection::vec(any::<i64>(), 1..6),
        ) {
            let nested = serde_json::json!({"t": texts, "n": [numbers]});
            let mut members: serde_json::Map<String, Value> = texts
                .iter()
                .enumerate()
                .map(|(at, text)| (format!("{text}{at}"), Value::from(text.as_str())))
                .collect();
            members.insert("nested".to_owned(), nested);
            for (at, number) in numbers.iter().enumerate() {
                members.insert(format!("n{at}"), (*number).into());
            }
            for text in [serde_json::to_string(&members).unwrap(), serde_json::to_string_pretty(&members).unwrap()] {
                let found = json_object(&text).unwrap();
                prop_assert_eq!(found.len(), members.len());
                for member in found {
                    prop_assert_eq!(&member.value, &members[&member.key]);
                    let written: Value = serde_json::from_str(member.text).unwrap();
                    prop_assert_eq!(&written, &member.value);
                }
            }
        }

        #[test]
        fn no_text_panics(text in "[{}\\[\\]\":,\\\\a1 \n]{0,30}") {
            let _ = parts(&text);
            if let Ok(members) = json_object(&text) {
                for member in members {
                    let _ = (member.plain(), member.items());
                }
            }
        }
    }
}
