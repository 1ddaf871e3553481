//! The server under measurement: started on free ports of loopback, with data of its own, ended with this value.

use anyhow::{Context, Result, bail};
use std::{
    fmt::Write as _,
    fs,
    net::{TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(30);
/// How long it may take to end by itself.
const END_MAX: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    child: Child,
    url: String,
    login: (String, String),
    /// Removed when the server has ended.
    _directory: TempDir,
}

impl Server {
    /// Starts `binary` and waits until it has said who may sign in.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(binary: &Path) -> Result<Self> {
        let directory = tempfile::tempdir().context("making a directory for the server")?;
        let http = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).context("finding a free port")?;
        let media = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).context("finding a free port")?;
        let config = directory.path().join("lectern.toml");
        let mut text = String::new();
        let _ = write!(text, "[http]\nlisten = \"{http}\"\n[media]\nlisten = \"{media}\"\n");
        let _ = write!(text, "[storage]\nreserve_mib = 64\n[log]\nlevel = \"warn\"\n");
        fs::write(&config, text).context("writing the server's configuration")?;
        let said = directory.path().join("stdout");
        let out = fs::File::create(&said).context("making a file for what the server says")?;
        let child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .arg("--data")
            .arg(directory.path().join("data"))
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()
            .with_context(|| format!("starting {} (cargo build --release -p lectern-server)", binary.display()))?;
        let mut server =
            Self { child, url: format!("http://{http}"), login: (String::new(), String::new()), _directory: directory };
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&said).context("reading what the server says")?;
            if let Some(login) = first_login(&text) {
                server.login = login;
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait().context("looking after the server")? {
                bail!("the server ended at once: {status}");
            }
            if begun.elapsed() > START_MAX {
                bail!("the server told no first log-in within {START_MAX:?}; it said:\n{text}");
            }
            std::thread::sleep(Duration::from_millis(50)); // between two looks
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first administrator: log-in and password.
    #[must_use]
    pub fn login(&self) -> &(String, String) {
        &self.login
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SAFETY: a process of ours that has not been waited for, so the id is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let begun = Instant::now();
        while begun.elapsed() < END_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50)); // between two looks
        }
        eprintln!("the server did not end within {END_MAX:?}");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The words after `login` and `password` in what a server says on its first start.
fn first_login(text: &str) -> Option<(String, String)> {
    let after = |word: &str| {
        let line = text.lines().map(str::trim).find(|l| l.starts_with(word))?;
        // Only whole lines: the rest of this one may still be on its way.
        text.ends_with('\n').then(|| line[word.len()..].trim().to_owned()).filter(|w| !w.is_empty())
    };
    Some((after("login")?, after("password")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_log_in_is_found() {
        let text =
            "\nLectern 讲台 is running.\n\n  address   http://localhost:1\n\n  login     admin\n  password  a-b-c\n\n";
        assert_eq!(first_login(text), Some(("admin".to_owned(), "a-b-c".to_owned())));
        assert_eq!(first_login(&text[..text.len() - 4]), None, "the line is not complete");
        assert_eq!(first_login(""), None);
    }
}
