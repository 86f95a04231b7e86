//! A page of what was found.

use maud::{DOCTYPE, html};

/// What is shown of a sample.
#[derive(Debug)]
pub(super) enum Shown {
    /// A PNG.
    Picture(Vec<u8>),
    Text(String),
}

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222}\
                     ul{display:flex;flex-wrap:wrap;gap:1rem;list-style:none;padding:0}\
                     li{width:9rem;font-size:.8rem;color:#555}\
                     img{width:9rem;image-rendering:pixelated;display:block}\
                     p{margin:0;color:#222}";

/// One page, with everything that it shows in it.
pub(super) fn page<'s>(asked: &[&str], found: impl Iterator<Item = (String, &'s Shown)>) -> String {
    let title = asked.join(", ");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                ul {
                    @for (caption, shown) in found {
                        li {
                            @match shown {
                                Shown::Picture(png) => img src={ "data:image/png;base64," (base64(png)) } alt=(caption);,
                                Shown::Text(text) => p { (text) },
                            }
                            (caption)
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// Bytes as text (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte))
            << (8 * (3 - three.len()));
        for letter in 0..4 {
            match letter <= three.len() {
                true => text.push(char::from(LETTERS[(bits >> (18 - 6 * letter) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_the_standard_has_it() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn what_is_shown_is_no_markup() {
        let shown = Shown::Text("<script>".to_owned());
        let page = page(&["a & b"], [("s1".to_owned(), &shown)].into_iter());
        assert!(page.contains("&lt;script&gt;") && page.contains("a &amp; b") && !page.contains("<script"));
    }
}
