//! Simulated power cuts (research/record.md §6.2): the catalogue lies on ext4 in a loop file on tmpfs; the writing
//! process is stopped, the file copied as the disk would be found, the copy mounted (ext4 replays its own journal) and
//! opened. What was acknowledged must be there. A store that does not sync must fail the same test, so that it bites.
//!
//! Needs root and loop devices; without them it says so and tests nothing. Mounts live in a mount namespace of the
//! test's own thread and vanish with it.

use lectern_auth::Redacted;
use lectern_library::{Account, SledStore, Store as _, store::People as _};
use lectern_media::{AccountId, UnixMillis};
use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

const DIR: &str = "LECTERN_POWER_CUT_DIR";
const SYNCED: &str = "LECTERN_POWER_CUT_SYNCED";
/// The power is cut after 1, 3, 9, 19, 33, … acknowledgements, this many times.
const CUTS: usize = 40;
/// Enough to show that a store that does not sync loses.
const CUTS_UNSYNCED: usize = 5;

/// Not a test of its own: the process that is cut off. Writes accounts, eight at a time, and tells each acknowledgement.
#[test]
fn writer_process() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let synced = std::env::var_os(SYNCED).is_some();
    let dir = Path::new(&dir);
    let store = if synced { SledStore::open(dir) } else { SledStore::open_unsynced(dir) };
    let store = Arc::new(store.unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                for i in 0..10_000 {
                    let login = format!("person-{task}-{i}");
                    store.create_account(account(&login)).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {login}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
        tasks.join_all().await;
    });
}

fn account(login: &str) -> Account {
    Account {
        id: AccountId::generate(),
        login: login.into(),
        name: Redacted("王芳".into()),
        roles: vec![],
        disabled: false,
        password: None,
        created: UnixMillis(0),
    }
}

fn sh(command: &str, args: &[&str]) -> bool {
    let done = Command::new(command).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// Unmounts; sled's own threads let go of their file a moment after it was closed.
fn unmounted(mount: &str) -> bool {
    (0..1_000).any(|_| sh("umount", &[mount]))
}

/// A mount namespace for this thread, with a tmpfs at `dir` in it. False where that is not possible.
fn own_mounts(dir: &str) -> bool {
    // SAFETY: both calls take no pointers; unshare changes only this thread.
    let alone = unsafe { libc::geteuid() == 0 && libc::unshare(libc::CLONE_NEWNS) == 0 };
    alone
        && sh("mount", &["--make-rprivate", "/"])
        && sh("mount", &["-t", "tmpfs", "-o", "size=400m", "tmpfs", dir])
        && std::fs::File::create(format!("{dir}/disk.img")).and_then(|f| f.set_len(96 << 20)).is_ok()
        && sh("mkfs.ext4", &["-q", "-F", &format!("{dir}/disk.img")])
        && std::fs::create_dir(format!("{dir}/disk")).is_ok()
        && std::fs::create_dir(format!("{dir}/cut")).is_ok()
        && sh("mount", &["-o", "loop", &format!("{dir}/disk.img"), &format!("{dir}/disk")])
}

#[derive(Default)]
struct Acknowledged {
    logins: Mutex<HashSet<String>>,
    more: Condvar,
}

fn start_writer(dir: &str, synced: bool) -> (Child, Arc<Acknowledged>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["writer_process", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(DIR, format!("{dir}/disk/catalogue")).stdout(Stdio::piped()).stderr(Stdio::null());
    if synced {
        command.env(SYNCED, "1");
    }
    let mut child = command.spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let acknowledged = Arc::new(Acknowledged::default());
    let told = Arc::clone(&acknowledged);
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if let Some((_, login)) = line.split_once("acknowledged ") {
                told.logins.lock().unwrap().insert(login.to_owned());
                told.more.notify_all();
            }
        }
    });
    (child, acknowledged)
}

fn signal(child: &Child, signal: libc::c_int) {
    let pid = child.id() as libc::pid_t;
    // SAFETY: no pointers but the status out-parameter; the child is ours and not yet waited for, so the pid is its.
    unsafe {
        assert_eq!(libc::kill(pid, signal), 0);
        if signal == libc::SIGSTOP {
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &mut status, libc::WUNTRACED), pid);
        }
    }
}

/// Cuts the power `cuts` times; tells how many acknowledged accounts were missing at each.
fn cut_power(synced: bool, cuts: usize) -> Option<Vec<usize>> {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    if !own_mounts(dir) {
        // A test that never runs protects nothing.
        assert!(std::env::var("CI").as_deref() != Ok("true"), "not run under CI: no root or no loop devices");
        println!("skipped: no root or no loop devices: power cuts are not tested here");
        return None;
    }
    let (mut child, acknowledged) = start_writer(dir, synced);
    let mut missing = vec![];
    for cut in (0..cuts).map(|i| 2 * i * i + 1) {
        let logins = acknowledged.logins.lock().unwrap();
        let (logins, waited) =
            acknowledged.more.wait_timeout_while(logins, Duration::from_secs(30), |logins| logins.len() < cut).unwrap();
        assert!(!waited.timed_out(), "the writer acknowledged {} of {cut}", logins.len());
        signal(&child, libc::SIGSTOP);
        let told = logins.clone();
        drop(logins);
        let (image, mount) = (format!("{dir}/cut.img"), format!("{dir}/cut"));
        assert!(sh("cp", &["--sparse=always", &format!("{dir}/disk.img"), &image]));
        assert!(sh("mount", &["-o", "loop", &image, &mount]), "the file system is found sound");
        missing.push(lost(Path::new(&mount), &told));
        assert!(unmounted(&mount));
        signal(&child, libc::SIGCONT);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(sh("umount", &[&format!("{dir}/disk")]));
    assert!(sh("umount", &[dir]));
    Some(missing)
}

/// Opens the catalogue as it was found and counts what is missing.
fn lost(disk: &Path, told: &HashSet<String>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SledStore::open(&disk.join("catalogue")).unwrap();
        let found: HashSet<String> =
            store.accounts(None, usize::MAX).await.unwrap().into_iter().map(|a| a.login).collect();
        // It is not only readable: it goes on.
        store.create_account(account("afterwards")).await.unwrap();
        store.close().await;
        told.difference(&found).count()
    })
}

#[test]
fn nothing_acknowledged_is_lost_in_a_power_cut() {
    if let Some(missing) = cut_power(true, CUTS) {
        assert_eq!(missing, [0; CUTS], "acknowledged and lost, at each cut");
    }
}

#[test]
fn a_store_that_does_not_sync_fails_this_test() {
    if let Some(missing) = cut_power(false, CUTS_UNSYNCED) {
        assert!(missing.iter().any(|lost| *lost > 0), "the test does not bite: {missing:?}");
    }
}
