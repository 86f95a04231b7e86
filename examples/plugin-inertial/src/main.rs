//! gblend with this crate's plugins.

use gblend_inertial as _;

fn main() -> std::process::ExitCode {
    gblend_cli::main()
}
