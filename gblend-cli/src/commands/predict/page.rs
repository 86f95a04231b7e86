//! A page of what was found.

use maud::{DOCTYPE, html};

use crate::data::export::base64;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_no_markup() {
        let shown = Shown::Text("<script>".to_owned());
        let page = page(&["a & b"], [("s1".to_owned(), &shown)].into_iter());
        assert!(page.contains("&lt;script&gt;") && page.contains("a &amp; b") && !page.contains("<script"));
    }
}
