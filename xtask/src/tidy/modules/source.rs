//! What one file of Rust declares and names: its modules, items, imports and paths.
//!
//! The tokens are proc-macro2's, so comments and strings are none. What is compiled for tests alone does not count.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// What a module says, in a file of its own or within one.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The modules that it declares.
    pub(crate) modules: Vec<Declared>,
    /// The names of what it defines.
    pub(crate) items: BTreeSet<String>,
    /// What its `use` declarations bring in, `pub` or not.
    pub(crate) imports: Vec<Import>,
    /// Paths of at least two segments that it names anywhere else.
    pub(crate) paths: Vec<Named>,
}

/// `mod name;` or `mod name { … }`.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// What it says, unless it has a file of its own.
    pub(crate) inline: Option<Source>,
}

/// One name of a `use` declaration.
#[derive(Debug)]
pub(crate) struct Import {
    /// The name that it gives; `None` for `*`, whose path is that of the module.
    pub(crate) name: Option<String>,
    pub(crate) path: Named,
}

/// A path and the line that it begins in, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// Words that begin an item, as opposed to a field, a variant or an argument.
const ITEMS: [&str; 15] = [
    "pub", "fn", "mod", "use", "impl", "struct", "enum", "union", "trait", "type", "const", "static",
    "unsafe", "extern", "async",
];

/// Words before the name of what a module defines.
const DEFINING: [&str; 9] = [
    "fn",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "const",
    "static",
    "macro_rules",
];

impl Source {
    /// Reads a file.
    ///
    /// # Errors
    /// What is no Rust, and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let tokens: TokenStream = text.parse().map_err(|error| format!("no Rust: {error}"))?;
        let mut source = Self::default();
        source.scan(tokens, true);
        Ok(source)
    }

    /// Reads tokens; those `of_module` stand in it directly, others within an item.
    fn scan(&mut self, tokens: TokenStream, of_module: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = match &tokens[at] {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let inner = is(&tokens, at + 1, '!');
                    match group(&tokens, at + 1 + usize::from(inner), Delimiter::Bracket) {
                        Some(attribute) if is_test(attribute) && inner => {
                            *self = Self::default();
                            return;
                        }
                        Some(attribute) if is_test(attribute) => after_item(&tokens, at + 2),
                        // What else an attribute holds is read as any other group.
                        _ => at + 1,
                    }
                }
                TokenTree::Ident(word) => self.word(&word.to_string(), &tokens, at, of_module),
                TokenTree::Group(group) => {
                    self.scan(group.stream(), false);
                    at + 1
                }
                _ => at + 1,
            };
        }
    }

    /// Reads what begins with a word, and returns where the rest begins.
    fn word(&mut self, word: &str, tokens: &[TokenTree], at: usize, of_module: bool) -> usize {
        let line = tokens[at].span().start().line;
        let next = tokens.get(at + 1);
        match (word, next) {
            ("pub", Some(TokenTree::Group(group))) if is_restriction(group) => at + 2,
            // `+ use<'a>` in a type imports nothing.
            ("use", _) if !is(tokens, at + 1, '<') => {
                let end = (at..tokens.len()).find(|&end| is(tokens, end, ';'));
                let end = end.unwrap_or(tokens.len());
                self.import(&[], &tokens[at + 1..end], line);
                end + 1
            }
            ("mod", Some(TokenTree::Ident(name))) => {
                let inline = group(tokens, at + 2, Delimiter::Brace).map(|group| {
                    let mut source = Self::default();
                    source.scan(group.stream(), true);
                    source
                });
                self.modules.push(Declared {
                    name: plain(&name.to_string()),
                    line,
                    inline,
                });
                at + 3
            }
            (_, Some(TokenTree::Ident(name))) if of_module && DEFINING.contains(&word) => {
                self.items.insert(plain(&name.to_string()));
                at + 1
            }
            ("macro_rules", _) if of_module => {
                if let Some(TokenTree::Ident(name)) = tokens.get(at + 2) {
                    self.items.insert(name.to_string());
                }
                at + 3
            }
            _ => self.path(tokens, at, line),
        }
    }

    /// Reads a path outside of a `use` declaration.
    fn path(&mut self, tokens: &[TokenTree], at: usize, line: usize) -> usize {
        let mut segments = Vec::new();
        let mut end = at;
        while let Some(TokenTree::Ident(segment)) = tokens.get(end) {
            segments.push(plain(&segment.to_string()));
            end += 1;
            if !is_separator(tokens, end) {
                break;
            }
            end += 2;
        }
        // The rest of a path after generic arguments, a global path, or a field or method.
        let continued = at >= 2 && is_separator(tokens, at - 2) || at >= 1 && is(tokens, at - 1, '.');
        if segments.len() > 1 && !continued {
            self.paths.push(Named { segments, line });
        }
        end
    }

    /// Reads one tree of a `use` declaration, behind `prefix`.
    fn import(&mut self, prefix: &[String], tokens: &[TokenTree], line: usize) {
        let mut segments = prefix.to_vec();
        let mut at = 0;
        if is_separator(tokens, 0) {
            // No crate has this name, so the path leads out of this one.
            segments.push(String::new());
            at = 2;
        }
        let mut name = None;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Ident(word) if word == "as" => {
                    name = tokens.get(at + 1).map(|alias| plain(&alias.to_string()));
                    break;
                }
                TokenTree::Ident(word) if word == "self" && !segments.is_empty() => {}
                TokenTree::Ident(word) => segments.push(plain(&word.to_string())),
                TokenTree::Group(group) => {
                    let trees: Vec<TokenTree> = group.stream().into_iter().collect();
                    for tree in
                        trees.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ','))
                    {
                        if let Some(first) = tree.first() {
                            self.import(&segments, tree, first.span().start().line);
                        }
                    }
                    return;
                }
                TokenTree::Punct(mark) if mark.as_char() == '*' => {
                    let path = Named { segments, line };
                    self.imports.push(Import { name: None, path });
                    return;
                }
                _ => {}
            }
            at += 1;
        }
        let name = name.or_else(|| segments.last().cloned());
        let path = Named { segments, line };
        self.imports.push(Import { name, path });
    }
}

/// A name without what marks it as one in spite of being a keyword.
fn plain(name: &str) -> String {
    name.strip_prefix("r#").unwrap_or(name).to_owned()
}

fn is(tokens: &[TokenTree], at: usize, mark: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(found)) if found.as_char() == mark)
}

/// Whether `::` begins here.
fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is(tokens, at, ':') && is(tokens, at + 1, ':')
}

fn group(tokens: &[TokenTree], at: usize, delimiter: Delimiter) -> Option<&Group> {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// Whether a group after `pub` says who may see it, and is no type.
fn is_restriction(group: &Group) -> bool {
    let mut tokens = group.stream().into_iter();
    let first = tokens.next().map(|token| token.to_string());
    let alone = tokens.next().is_none();
    match first.as_deref() {
        Some("in") => true,
        Some("crate" | "self" | "super") => alone,
        _ => false,
    }
}

/// Whether an attribute is `cfg(test)`, or `cfg(all(test, …))`.
fn is_test(attribute: &Group) -> bool {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let is_cfg = matches!(tokens.first(), Some(TokenTree::Ident(word)) if word == "cfg");
    is_cfg && group(&tokens, 1, Delimiter::Parenthesis).is_some_and(wants_test)
}

fn wants_test(condition: &Group) -> bool {
    let tokens: Vec<TokenTree> = condition.stream().into_iter().collect();
    let all = matches!(tokens.first(), Some(TokenTree::Ident(word)) if word == "all");
    if all {
        return group(&tokens, 1, Delimiter::Parenthesis).is_some_and(wants_test);
    }
    let parts = tokens.split(|token| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ','));
    parts
        .into_iter()
        .any(|part| matches!(part, [TokenTree::Ident(word)] if word == "test"))
}

/// Where what follows an item, a field, a variant or a statement begins, given where its last attribute ended.
fn after_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while is(tokens, at, '#') {
        at += 2;
    }
    let first = tokens.get(at).map(ToString::to_string).unwrap_or_default();
    let item = ITEMS.contains(&first.as_str());
    let import = first == "use";
    while let Some(token) = tokens.get(at) {
        at += 1;
        let over = match token {
            TokenTree::Punct(mark) => mark.as_char() == ';' || (!item && mark.as_char() == ','),
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !import,
            _ => false,
        };
        if over {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(text: &str) -> Vec<String> {
        let source = Source::parse(text).unwrap();
        let imports = source.imports.iter().map(|import| &import.path);
        let all = imports.chain(&source.paths);
        all.map(|path| format!("{}:{}", path.line, path.segments.join("::")))
            .collect()
    }

    #[test]
    fn trees_of_imports_are_spelled_out() {
        let text = "use crate::{a::{self, B as C}, d::*};\npub(crate) use super::super::e::F;\nuse ::std::g;";
        let wanted = [
            "1:crate::a",
            "1:crate::a::B",
            "1:crate::d",
            "2:super::super::e::F",
            "3:::std::g",
        ];
        assert_eq!(named(text), wanted);
        let names: Vec<_> = Source::parse(text)
            .unwrap()
            .imports
            .into_iter()
            .map(|import| import.name)
            .collect();
        let wanted = [Some("a"), Some("C"), None, Some("F"), Some("g")];
        assert_eq!(names, wanted.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let text = "fn f(x: crate::A) -> Vec<super::B> {\n    html! { p { (crate::c::D) } }\n    e::g(x.h, <T as crate::I>::J)\n}";
        assert_eq!(
            named(text),
            [
                "1:crate::A",
                "1:super::B",
                "2:crate::c::D",
                "3:e::g",
                "3:crate::I"
            ]
        );
    }

    #[test]
    fn comments_strings_tests_and_visibilities_name_nothing() {
        let text = "//! [`crate::a`]\n/* crate::b */ const S: &str = \"crate::c\";\npub(in crate::d) struct E;\n\
                    #[cfg(test)]\nmod tests { use crate::f; }\n#[cfg(all(unix, test))]\nfn g<A, B>() { crate::h(); }\n\
                    #[cfg(test)]\nuse crate::{i};\nenum J { #[cfg(test)] K(crate::l), M }";
        assert_eq!(named(text), [""; 0]);
        assert_eq!(named(&format!("{text}\nfn n() {{ crate::o(); }}")).len(), 1);
        assert_eq!(named("#![cfg(test)]\nuse crate::a;"), [""; 0]);
        assert_eq!(
            named("#[cfg(not(test))]\nuse crate::a;\n#[cfg(any(test, unix))]\nuse crate::b;").len(),
            2
        );
    }
}
