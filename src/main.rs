//! The `a3` command.

fn main() -> std::process::ExitCode {
    a3::cli::main()
}
