//! Tables of the documentation, printed row by row as figures come in.

/// Prints the head of a table.
pub(super) fn head(columns: &[&str]) {
    println!("\n| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

/// Prints a row of a table.
pub(super) fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}
