//! `lectern audit …`: the audit log of exam patrol, with no server and no catalogue.

use anyhow::Context as _;
use clap::Subcommand;
use std::{fs::File, io::BufReader, path::PathBuf, process::ExitCode};

/// What can be done with an audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Says whether the log, or a piece of it that was exported, is whole and nobody changed it, and if not, which line of
    /// which file is wrong.
    Verify {
        /// The log's directory (`audit` in the data directory, or a copy), or a file that was exported.
        path: PathBuf,
        /// The public key that must have signed, 64 hexadecimal digits. Without it the keys that signed are named: compare
        /// them with the server's.
        #[arg(long)]
        key: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Carries a command out.
pub fn run(command: AuditCommand) -> anyhow::Result<ExitCode> {
    let AuditCommand::Verify { path, key, json } = command;
    let key = key.map(|text| public_key(&text).context("--key is not 64 hexadecimal digits")).transpose()?;
    let report = if path.is_dir() {
        lectern_audit::verify(&path, key.as_ref())
    } else {
        let file = File::open(&path).with_context(|| format!("{} can't be opened", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        lectern_audit::verify_export(&name, BufReader::with_capacity(256 * 1024, file), key.as_ref())
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn public_key(text: &str) -> Option<[u8; 32]> {
    let digits = text.trim().as_bytes();
    let mut key = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_64_digits() {
        assert_eq!(public_key(&"0a".repeat(32)), Some([10; 32]));
        for bad in ["", "0a", &"0a".repeat(33), &"zz".repeat(32), &"空".repeat(22)] {
            assert_eq!(public_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_directory_without_a_log_is_not_good() {
        let dir = tempfile::tempdir().unwrap();
        let verify = |path: PathBuf, key| AuditCommand::Verify { path, key, json: true };
        assert_eq!(run(verify(dir.path().to_owned(), None)).unwrap(), ExitCode::FAILURE);
        assert!(run(verify(dir.path().to_owned(), Some("x".into()))).is_err());
        let file = dir.path().join("audit.jsonl");
        assert!(run(verify(file.clone(), None)).is_err(), "there is no such file");
        std::fs::write(&file, "{}\n").unwrap();
        assert_eq!(run(verify(file, None)).unwrap(), ExitCode::FAILURE);
    }
}
