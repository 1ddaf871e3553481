//! `lectern evidence`: verifies an evidence file anywhere, exports one from a data directory. Neither needs the server.

use crate::{Place, archive};
use anyhow::Context as _;
use lectern_media::{CameraId, UnixMillis};
use lectern_recorder::{
    Signer,
    evidence::{Continue, ExportRequest, Viewer, export, parse_key, verify},
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What can be done with evidence.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Says AUTHENTIC, or which camera, stream and second is wrong and how (docs/evidence-format.md).
    Verify {
        /// The evidence file.
        file: PathBuf,
        /// The public key it must be signed by: 64 hexadecimal digits, or a file with them.
        #[arg(long)]
        key: Option<String>,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
    /// Exports from an archive of cameras on this machine; the running server is not disturbed. Who looked at the cameras is
    /// known to the server alone, so the list of viewers stays empty.
    Export {
        /// The archive: `<data>/cameras`.
        #[arg(long)]
        archive: PathBuf,
        /// The recorder's signing key.
        #[arg(long)]
        signing_key: PathBuf,
        /// The cameras' ids.
        #[arg(long, value_delimiter = ',', required = true)]
        camera: Vec<CameraId>,
        /// From, as `2026-06-07T09:00:00+08:00`.
        #[arg(long)]
        from: jiff::Timestamp,
        /// To.
        #[arg(long)]
        to: jiff::Timestamp,
        /// Who exports.
        #[arg(long)]
        by: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
        /// The server's configuration file, for its time zone (`time.zone`): seconds are named in it. Without it, its default.
        #[arg(long, env = "LECTERN_CONFIG")]
        config: Option<PathBuf>,
    },
}

/// Runs the command.
pub(crate) fn run(command: EvidenceCommand) -> anyhow::Result<ExitCode> {
    match command {
        EvidenceCommand::Verify { file, key, json } => {
            let expected = key.as_deref().map(expected_key).transpose()?;
            let report = verify(&file, expected);
            if json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                print!("{report}");
            }
            Ok(if report.authentic { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        EvidenceCommand::Export { archive, signing_key, camera, from, to, by, reason, out, config } => {
            let config = Place { config, data: None }.load(|_| ())?;
            anyhow::ensure!(signing_key.is_file(), "{} is not there", signing_key.display());
            let signer = Signer::load_or_create(&signing_key)?;
            let millis = |t: jiff::Timestamp| UnixMillis(t.as_millisecond());
            let person =
                |name: String| Viewer { account: String::new(), login: name.clone(), name, place: String::new() };
            let request = ExportRequest {
                cameras: camera,
                from: millis(from),
                to: millis(to),
                within: std::collections::BTreeMap::new(),
                by: person(by),
                reason,
                viewers: Vec::new(),
                server: "lectern evidence export".into(),
                zone: archive::zone(&config)?,
                now: UnixMillis::now(),
            };
            let summary = export(&archive, &request, &signer, &out, &mut |_| Continue::Yes)?;
            println!("{}: {} bytes, {} gaps, digest {}", out.display(), summary.bytes, summary.gaps, summary.digest);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A key on the command line, or in a file.
fn expected_key(text: &str) -> anyhow::Result<[u8; 32]> {
    if let Some(key) = parse_key(text) {
        return Ok(key);
    }
    let read = std::fs::read_to_string(Path::new(text)).with_context(|| format!("cannot read the key {text}"))?;
    parse_key(&read).with_context(|| format!("{text} holds no public key (64 hexadecimal digits)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_from_the_command_line_or_a_file() {
        let digits = "0f".repeat(32);
        assert_eq!(expected_key(&digits).unwrap(), [15; 32]);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{}\n", digits.to_uppercase())).unwrap();
        assert_eq!(expected_key(file.path().to_str().unwrap()).unwrap(), [15; 32]);
        std::fs::write(file.path(), "no key").unwrap();
        assert!(expected_key(file.path().to_str().unwrap()).is_err());
        assert!(expected_key("/nowhere").is_err());
    }
}
