//! Network namespaces, made and removed through iproute2.

use super::EmulatorError;
use std::{
    fs::File,
    io::Write,
    os::fd::AsRawFd,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// A namespace that lives as long as this value.
#[derive(Debug)]
pub(super) struct Netns {
    name: String,
    gone: AtomicBool,
}

impl Netns {
    /// Makes the namespace `name`, with its loopback up.
    pub(super) fn create(name: String) -> Result<Self, EmulatorError> {
        run_ip(&["netns", "add", &name], "")?;
        let ns = Self { name, gone: AtomicBool::new(false) };
        ns.ip("link set lo up\n")?;
        Ok(ns)
    }

    /// Removes the namespace, once.
    pub(super) fn remove(&self) {
        if !self.gone.swap(true, Ordering::Relaxed) {
            // A leftover is removed by the next run (see `remove_leftovers`); there is no one to tell here.
            let _ = run_ip(&["netns", "del", &self.name], "");
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a batch of `ip` commands, one a line, inside.
    pub(super) fn ip(&self, batch: &str) -> Result<(), EmulatorError> {
        run_ip(&["-n", &self.name, "-batch", "-"], batch)
    }

    /// Runs `f` on a thread of its own inside the namespace. Sockets and devices it opens stay there.
    pub(super) fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T, EmulatorError> {
        let path = format!("/run/netns/{}", self.name);
        let file = File::open(&path).map_err(|source| EmulatorError::Enter { netns: self.name.clone(), source })?;
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                // SAFETY: the descriptor is open; only this thread, which ends with the closure, changes its namespace.
                if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(f())
            });
            match inside.join() {
                Ok(result) => result.map_err(|source| EmulatorError::Enter { netns: self.name.clone(), source }),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Removes namespaces of emulators that were killed: their names carry the process id of their owner.
pub(super) fn remove_leftovers(prefix: &str) {
    let Ok(dir) = std::fs::read_dir("/run/netns") else { return };
    for entry in dir.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner =
            name.strip_prefix(prefix).and_then(|rest| rest.split('-').next()).and_then(|p| p.parse::<u32>().ok());
        if owner.is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = run_ip(&["netns", "del", &name], "");
        }
    }
}

fn run_ip(args: &[&str], batch: &str) -> Result<(), EmulatorError> {
    let describe = || format!("ip {} {}", args.join(" "), batch.replace('\n', "; "));
    let failed = |source| EmulatorError::IpStart { command: describe(), source };
    let mut child = Command::new("ip")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A refusal closes the pipe early; what `ip` says on its standard error tells more.
        let _ = stdin.write_all(batch.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(EmulatorError::Ip { command: describe(), said })
    }
}
