//! The binary that the integration tests run.

fn main() -> std::process::ExitCode {
    gblend_cli::main()
}
