//! gblend with this crate's plugins. The `use` is not idle: a crate that nothing names is not linked.

use my_plugin as _;

fn main() -> std::process::ExitCode {
    gblend_cli::main()
}
