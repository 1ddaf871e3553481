//! The worker as a program of its own: for tests, and where the server's binary is not to be started again.

use std::io::{stdin, stdout};

fn main() -> std::process::ExitCode {
    match lectern_health::worker::run(stdin().lock(), stdout().lock()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            std::process::ExitCode::FAILURE
        }
    }
}
