//! The worker as a program of its own: for tests and tools. The server is its own worker (`lectern sound-worker`).

fn main() -> std::process::ExitCode {
    match lectern_transcode::worker::run(std::io::stdin().lock(), std::io::stdout().lock()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
