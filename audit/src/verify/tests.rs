use super::*;
use crate::{
    HeadSigner as _,
    chain::tests::TestKey,
    entry::{Entry, Who},
    index::Shared,
    log::{Log, open_file},
};
use lectern_media::{AccountId, CameraId};
use lectern_protocol::api::AuditAction;
use proptest::prelude::*;
use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

/// 2026-11-30T23:50:00Z: the log rolls over into December.
const NOW: UnixMillis = UnixMillis(1_796_082_600_000);

/// Files of a log, by name.
type Files = Vec<(String, Vec<u8>)>;

/// A log of two months, signed every minute. Written once, because writing syncs; each test has its own copy.
fn made() -> tempfile::TempDir {
    static FILES: LazyLock<Files> = LazyLock::new(written);
    copy(&FILES)
}

/// Another one, of other people.
fn other() -> tempfile::TempDir {
    static FILES: LazyLock<Files> = LazyLock::new(written);
    copy(&FILES)
}

fn copy(files: &Files) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
    dir
}

fn written() -> Files {
    let dir = tempfile::tempdir().unwrap();
    let mut now = NOW;
    let key = Arc::new(TestKey::new(1));
    let mut log = Log::open(dir.path(), Box::new(open_file), key, Arc::new(Shared::default()), now).unwrap();
    let who =
        Who { account: Some(AccountId::generate()), name: "王芳".into(), login: "wang".into(), ..Who::default() };
    for i in 0..60 {
        let entry = Entry {
            who: who.clone(),
            camera: Some(CameraId::generate()),
            detail: format!("entry {i}"),
            ..Entry::new(now, AuditAction::Played)
        };
        log.write(vec![entry], now).unwrap();
        now = now.plus(Duration::from_secs(17));
    }
    log.seal(now).unwrap();
    let file = |file: std::io::Result<fs::DirEntry>| {
        let file = file.unwrap();
        (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
    };
    fs::read_dir(dir.path()).unwrap().map(file).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    months(dir).unwrap().into_iter().map(|(_, path)| path).collect()
}

fn lines_of(path: &Path) -> Vec<Vec<u8>> {
    fs::read(path).unwrap().split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_log_that_nobody_touched_is_authentic() {
    let dir = made();
    let report = verify(dir.path(), Some(&TestKey::new(1).public_key()));
    assert!(report.ok, "{report}");
    assert_eq!((report.months, report.entries, report.unsigned), (2, 60, 0));
    assert!(report.to_string().ends_with("AUTHENTIC"));
    assert_eq!(report.keys.len(), 1);
    assert_eq!(report.first, Some(NOW));
    assert!(!verify(tempfile::tempdir().unwrap().path(), None).ok, "no log is not a good log");
}

/// Ways to edit a log; each gives the file and the line in which, or behind which, it must be found.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Bit,
    Remove,
    Swap,
    TruncateLine,
    TruncateFile,
    Duplicate,
    Splice,
    Retime,
}

fn edit(dir: &Path, edit: Edit, nth_file: usize, at: usize, bit: usize) -> (String, u64) {
    let files = files(dir);
    let path = &files[nth_file % files.len()];
    let mut lines = lines_of(path);
    let last = lines.len() - 1;
    let at = at % lines.len();
    match edit {
        Edit::Bit => {
            let byte = bit / 8 % lines[at].len();
            lines[at][byte] ^= 1 << (bit % 8);
        }
        Edit::Remove => drop(lines.remove(at)),
        Edit::Swap => lines.swap(at, if at == last { at - 1 } else { at + 1 }),
        Edit::TruncateLine => {
            let len = bit % (lines[at].len() - 1);
            lines[at].truncate(len);
        }
        Edit::TruncateFile => lines.truncate(at),
        Edit::Duplicate => lines.insert(at, lines[at].clone()),
        Edit::Splice => {
            // A whole line of another log with the same number.
            let other = other();
            let same = lines_of(&self::files(other.path())[nth_file % 2]);
            lines[at] = same[at.min(same.len() - 1)].clone();
        }
        Edit::Retime => {
            let text = String::from_utf8(lines[at].clone()).unwrap();
            let (before, behind) = text.split_once("\"at\":").unwrap();
            let digit = behind.as_bytes()[9];
            let other = if digit == b'9' { '0' } else { char::from(digit + 1) };
            lines[at] = format!("{before}\"at\":{}{other}{}", &behind[..9], &behind[10..]).into_bytes();
        }
    }
    fs::write(path, lines.concat()).unwrap();
    (path.file_name().unwrap().to_str().unwrap().to_owned(), at as u64 + 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 20, ..ProptestConfig::default() })]
    #[test]
    fn every_edit_is_found_where_it_was_made(
        kind in prop::sample::select(vec![
            Edit::Bit, Edit::Remove, Edit::Swap, Edit::TruncateLine, Edit::TruncateFile, Edit::Duplicate, Edit::Splice,
            Edit::Retime,
        ]),
        file in 0_usize..2,
        at in 0_usize..100,
        bit in 0_usize..4_000,
    ) {
        let dir = made();
        let (name, line) = edit(dir.path(), kind, file, at, bit);
        let report = verify(dir.path(), None);
        prop_assert!(!report.ok, "{kind:?} in {name} line {line}");
        let first = &report.faults[0];
        // What is cut off the end of a month shows in the next month's first line, or in the head.
        let near = first.file == name && (first.line == 0 || first.line.abs_diff(line) <= 2);
        let behind = first.line <= 1;
        prop_assert!(near || behind, "{kind:?} in {name} line {line}: {report}");
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::log(&bytes);
    }
}

#[test]
fn one_change_is_one_fault() {
    let dir = made();
    let (name, line) = edit(dir.path(), Edit::Bit, 0, 10, 800);
    let report = verify(dir.path(), None);
    assert_eq!((report.faults_total, report.faults[0].line), (1, line), "{report}");
    assert_eq!(report.faults[0].file, name);
}

#[test]
fn a_history_written_anew_needs_the_key() {
    let dir = made();
    // The whole log again, with one entry less and every hash right, by somebody without the key.
    let forged = tempfile::tempdir().unwrap();
    let mut log =
        Log::open(forged.path(), Box::new(open_file), Arc::new(TestKey::new(66)), Arc::default(), NOW).unwrap();
    for i in 0..59 {
        let entry = Entry { detail: format!("entry {i}"), ..Entry::new(NOW, AuditAction::Played) };
        log.write(vec![entry], NOW).unwrap();
    }
    log.seal(NOW).unwrap();
    let report = verify(forged.path(), None);
    assert!(report.ok && !report.keys.contains_key(&hex::encode(TestKey::new(1).public_key())), "it names its own key");
    assert!(!verify(forged.path(), Some(&TestKey::new(1).public_key())).ok);
    // The old head does not fit it either.
    fs::copy(dir.path().join(HEAD_FILE), forged.path().join(HEAD_FILE)).unwrap();
    assert!(!verify(forged.path(), None).ok);
}

#[test]
fn months_that_are_missing_are_missed() {
    for gone in [0, 1] {
        let dir = made();
        fs::remove_file(&files(dir.path())[gone]).unwrap();
        let report = verify(dir.path(), None);
        assert!(!report.ok, "{report}");
    }
    let dir = made();
    fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
    assert_eq!(verify(dir.path(), None).faults[0].file, HEAD_FILE);
}

#[test]
fn faults_are_counted_and_not_all_listed() {
    let dir = made();
    let path = &files(dir.path())[0];
    let mut bytes = fs::read(path).unwrap();
    bytes.extend("x\n".repeat(500).into_bytes());
    fs::write(path, bytes).unwrap();
    let report = verify(dir.path(), None);
    assert_eq!(report.faults.len(), FAULTS_LISTED_MAX);
    assert!(report.faults_total >= 500 && report.to_string().contains("more"));
}
