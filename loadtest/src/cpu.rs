//! What a process costs, as the kernel counts it: CPU time per thread, memory, lost datagrams. Linux only.

use anyhow::{Context, Result};
use std::{collections::BTreeMap, fs};

/// CPU time of a process at a moment, by thread.
#[derive(Debug, Clone, Default)]
pub struct CpuTime {
    threads: BTreeMap<u32, (String, u64)>,
}

impl CpuTime {
    /// Reads it. Threads that end while it is read are left out.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn of(pid: u32) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid}"))?.flatten() {
            let Ok(tid) = task.file_name().to_string_lossy().parse::<u32>() else { continue };
            let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
            // schedstat: nanoseconds on a CPU, nanoseconds waiting for one, time slices.
            if let Some(ns) = read("schedstat").split_whitespace().next().and_then(|n| n.parse().ok()) {
                threads.insert(tid, (read("comm").trim().to_owned(), ns));
            }
        }
        Ok(Self { threads })
    }

    /// Nanoseconds since `earlier`, of the threads whose name begins with `prefix` (empty: of all).
    #[must_use]
    pub fn since(&self, earlier: &Self, prefix: &str) -> u64 {
        self.threads
            .iter()
            .filter(|(_, (name, _))| name.starts_with(prefix))
            .map(|(tid, (_, ns))| ns.saturating_sub(earlier.threads.get(tid).map_or(0, |(_, before)| *before)))
            .sum()
    }

    /// Nanoseconds since `earlier` by thread name.
    #[must_use]
    pub fn by_name(&self, earlier: &Self) -> BTreeMap<String, u64> {
        let mut names = BTreeMap::new();
        for (tid, (name, ns)) in &self.threads {
            let before = earlier.threads.get(tid).map_or(0, |(_, before)| *before);
            *names.entry(name.clone()).or_default() += ns.saturating_sub(before);
        }
        names.retain(|_, ns| *ns > 0);
        names
    }
}

/// Resident memory of a process, in bytes.
///
/// # Errors
/// If there is no such process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("the kernel tells no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().and_then(|n| n.parse().ok()).context("VmRSS is no number")?;
    Ok(kib * 1024)
}

/// Datagrams that this namespace's sockets had no room for, since the start of the machine.
#[must_use]
pub fn receive_buffer_errors() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut udp = text.lines().filter(|l| l.starts_with("Udp:"));
    let (Some(names), Some(values)) = (udp.next(), udp.next()) else { return 0 };
    let at = names.split_whitespace().position(|n| n == "RcvbufErrors");
    at.and_then(|at| values.split_whitespace().nth(at)?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_thread_that_does_it() {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let worker = std::thread::Builder::new().name("worker-of-test".to_owned()).spawn(move || {
            tell.send(()).expect("the test listens");
            wait.recv().expect("the test says go");
            let mut n = 1u64;
            for i in 0..30_000_000u64 {
                n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(i));
            }
            tell.send(()).expect("the test listens");
            let _ = wait.recv(); // stays alive to be read
            n
        });
        told.recv().expect("the worker runs");
        let before = CpuTime::of(std::process::id()).expect("this process");
        go.send(()).expect("the worker listens");
        told.recv().expect("the worker is done");
        let after = CpuTime::of(std::process::id()).expect("this process");
        let ns = after.since(&before, "worker-of-test");
        assert!(ns > 1_000_000, "{ns}");
        assert!(after.by_name(&before)["worker-of-test"] == ns && after.since(&before, "") >= ns);
        drop(go);
        worker.expect("a thread").join().expect("no panic");
        assert!(resident_bytes(std::process::id()).expect("this process") > 1 << 20);
    }
}
