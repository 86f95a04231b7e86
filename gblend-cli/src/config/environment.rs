//! `${VAR}` in strings: environment variables.

/// Replaces every `${VAR}` in `text` by what `lookup` says of `VAR`.
///
/// # Errors
/// What is wrong: a variable that is not set, or a `${` without its end.
pub(super) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        let after = &rest[start + 2..];
        let end = after
            .find('}')
            .ok_or_else(|| format!("`{text}` has a `${{` without its `}}`"))?;
        let name = &after[..end];
        let value = lookup(name).ok_or_else(|| {
            format!("the environment variable `{name}` is not set; set it, or write the path itself")
        })?;
        expanded.push_str(&value);
        rest = &after[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "DATA").then(|| "/data".to_owned())
    }

    #[test]
    fn every_variable_is_replaced_and_the_rest_kept() {
        assert_eq!(expand("${DATA}/a/${DATA}$", lookup), Ok("/data/a//data$".into()));
        assert_eq!(expand("$DATA {x}", lookup), Ok("$DATA {x}".into()));
    }

    #[test]
    fn an_unset_variable_is_named() {
        assert!(expand("${NOPE}/a", lookup).is_err_and(|problem| problem.contains("`NOPE`")));
        assert!(expand("${DATA", lookup).is_err_and(|problem| problem.contains("${DATA")));
    }
}
