//! The `gblend` binary.

fn main() -> std::process::ExitCode {
    gblend_cli::main()
}
