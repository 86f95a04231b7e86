//! The binary that the integration tests run.

use gblend_tests as _;

fn main() -> std::process::ExitCode {
    gblend_cli::main()
}
