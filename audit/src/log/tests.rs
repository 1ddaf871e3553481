use super::*;
use crate::{chain::tests::TestKey, verify};
use parking_lot::Mutex;

/// 2026-11-30T23:59:00Z.
const NOW: UnixMillis = UnixMillis(1_796_083_140_000);

fn entries(n: usize) -> Vec<Entry> {
    (0..n).map(|i| Entry::new(UnixMillis(NOW.0 + i as i64), AuditAction::TileOpened)).collect()
}

fn open(dir: &Path) -> Log {
    open_at(dir, NOW)
}

fn open_at(dir: &Path, now: UnixMillis) -> Log {
    Log::open(dir, Box::new(open_file), Arc::new(TestKey::new(1)), Arc::default(), now).unwrap()
}

fn file(dir: &Path) -> PathBuf {
    dir.join(Month::of(NOW).file_name())
}

fn details(dir: &Path) -> Vec<String> {
    let mut details = vec![];
    for (_, path) in months(dir).unwrap() {
        let text = fs::read(path).unwrap();
        let lines = text.split(|b| *b == b'\n').filter_map(crate::entry::entry_in);
        details.extend(lines.map(|stored| stored.entry.detail).filter(|detail| !detail.is_empty()));
    }
    details
}

#[test]
fn a_log_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let mut log = open(dir.path());
        assert_eq!(log.cursor.n, round * 10);
        assert_eq!(log.write(entries(10), NOW).unwrap(), (round + 1) * 10);
    }
    let report = verify(dir.path(), None);
    assert!(report.ok, "{report}");
    assert_eq!((report.lines, report.entries, report.unsigned), (40, 40, 40));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file(dir.path())).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "nobody else may read it");
}

#[test]
fn heads_are_signed_every_minute_and_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path());
    log.write(entries(3), NOW).unwrap();
    assert!(log.unsigned() && !log.sign_due(NOW));
    let later = NOW.plus(Duration::from_secs(59));
    log.write(entries(1), later).unwrap();
    assert_eq!(log.cursor.n, 4, "not yet");
    let later = NOW.plus(SIGN_EVERY);
    // In the next month by then: the old one is sealed, and the new one continues it.
    assert_eq!(log.write(entries(1), later).unwrap(), 6);
    let due = later.plus(SIGN_EVERY);
    assert!(log.sign_due(due));
    log.write(vec![], due).unwrap();
    assert_eq!((log.cursor.n, log.unsigned()), (7, false));
    log.write(vec![], due.plus(SIGN_EVERY)).unwrap();
    assert_eq!(log.cursor.n, 7, "nothing new is not signed again");
    log.seal(due).unwrap();
    assert_eq!(log.cursor.n, 7);
    let report = verify(dir.path(), Some(&TestKey::new(1).public_key()));
    assert!(report.ok, "{report}");
    assert_eq!((report.months, report.entries, report.unsigned, report.lines), (2, 5, 0, 7));
    assert!(!verify(dir.path(), Some(&TestKey::new(2).public_key())).ok, "another key is not trusted");
    // The clock goes back a month: the file goes on, because a chain has one direction.
    let mut log = open_at(dir.path(), NOW);
    log.write(entries(1), NOW).unwrap();
    assert_eq!(verify(dir.path(), None).months, 2);
    assert!(verify(dir.path(), None).ok);
}

#[test]
fn a_line_torn_at_any_byte_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path());
    log.write(entries(2), NOW).unwrap();
    let acknowledged = fs::read(dir.path().join(HEAD_FILE)).unwrap();
    let safe = fs::read(file(dir.path())).unwrap().len();
    log.write(entries(1), NOW).unwrap();
    let whole = fs::read(file(dir.path())).unwrap();
    drop(log);
    for cut in safe..whole.len() {
        fs::write(file(dir.path()), &whole[..cut]).unwrap();
        fs::write(dir.path().join(HEAD_FILE), &acknowledged).unwrap();
        let mut log = open_at(dir.path(), UnixMillis(NOW.0 + cut as i64));
        assert_eq!(log.cursor.n, if cut == safe { 2 } else { 3 }, "cut at {cut}: a note, if something was torn");
        log.write(entries(1), NOW).unwrap();
        let report = verify(dir.path(), None);
        assert!(report.ok, "cut at {cut}: {report}");
        if cut > safe {
            assert!(details(dir.path())[0].starts_with("torn_line: "), "cut at {cut}");
            let aside = format!("{}.torn-{}", Month::of(NOW).file_name(), NOW.0 + cut as i64);
            assert_eq!(fs::read(dir.path().join(aside)).unwrap(), &whole[safe..cut]);
        }
    }
}

#[test]
fn holes_that_a_power_cut_leaves_before_the_end_are_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path());
    log.write(entries(2), NOW).unwrap();
    let acknowledged = fs::read(dir.path().join(HEAD_FILE)).unwrap();
    let safe = fs::read(file(dir.path())).unwrap().len();
    log.write(entries(5), NOW).unwrap();
    let mut bytes = fs::read(file(dir.path())).unwrap();
    bytes[safe + 20..safe + 400].fill(0);
    fs::write(file(dir.path()), &bytes).unwrap();
    fs::write(dir.path().join(HEAD_FILE), acknowledged).unwrap();
    let mut log = open(dir.path());
    log.write(entries(1), NOW).unwrap();
    assert!(verify(dir.path(), None).ok, "what was not acknowledged may go");
    assert_eq!(log.cursor.n, 4);
}

#[test]
fn damage_to_what_was_acknowledged_is_never_covered_up() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("a changed line", |dir| {
            let mut bytes = fs::read(file(dir)).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            fs::write(file(dir), bytes).unwrap();
        }),
        ("lines cut off", |dir| {
            let bytes = fs::read(file(dir)).unwrap();
            let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
            fs::write(file(dir), lines[..6].concat()).unwrap();
        }),
        ("everything gone", |dir| fs::write(file(dir), b"").unwrap()),
        ("the head gone", |dir| fs::remove_file(dir.join(HEAD_FILE)).unwrap()),
    ];
    for (name, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).write(entries(10), NOW).unwrap();
        damage(dir.path());
        assert!(!verify(dir.path(), None).ok, "{name}");
        // Starting the server again does not make it good.
        for _ in 0..3 {
            open(dir.path()).write(entries(5), NOW).unwrap();
        }
        let report = verify(dir.path(), None);
        assert!(!report.ok, "{name}");
        assert!(details(dir.path()).iter().any(|detail| detail.starts_with(DAMAGED)), "{name}");
    }
}

/// A disk with so much room left.
struct SmallDisk {
    file: File,
    room: Arc<Mutex<Room>>,
}

#[derive(Default)]
struct Room {
    bytes: u64,
    syncs_fail: bool,
    cuts_fail: bool,
}

impl Disk for SmallDisk {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut room = self.room.lock();
        let fits = (room.bytes as usize).min(bytes.len());
        room.bytes -= fits as u64;
        // A full disk takes a part.
        self.file.write_all_at(&bytes[..fits], at)?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        if self.room.lock().syncs_fail { Err(io::Error::other("sync")) } else { self.file.sync_data() }
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        if self.room.lock().cuts_fail { Err(io::Error::other("cut")) } else { self.file.set_len(len) }
    }
}

fn small(dir: &Path, room: &Arc<Mutex<Room>>) -> Log {
    let room = Arc::clone(room);
    let opener: Opener = Box::new(move |path| {
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Box::new(SmallDisk { file, room: Arc::clone(&room) }))
    });
    Log::open(dir, opener, Arc::new(TestKey::new(1)), Arc::default(), NOW).unwrap()
}

#[test]
fn a_full_disk_takes_all_of_a_batch_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let room = Arc::new(Mutex::new(Room { bytes: 1_000, ..Room::default() }));
    let mut log = small(dir.path(), &room);
    log.write(entries(2), NOW).unwrap();
    let len = fs::metadata(file(dir.path())).unwrap().len();
    for _ in 0..3 {
        let full = log.write(entries(100), NOW);
        assert!(matches!(full, Err(AuditError::Io { ref source, .. }) if source.kind() == io::ErrorKind::StorageFull));
        assert_eq!(fs::metadata(file(dir.path())).unwrap().len(), len, "nothing of it stays");
        room.lock().bytes = 1_000;
    }
    room.lock().bytes = 1 << 20;
    assert_eq!(log.write(entries(100), NOW).unwrap(), 102);
    assert!(verify(dir.path(), None).ok);
}

#[test]
fn a_failed_sync_or_a_part_that_can_t_be_taken_back_ends_writing() {
    for cuts in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let room = Arc::new(Mutex::new(Room { bytes: 1_000, ..Room::default() }));
        let mut log = small(dir.path(), &room);
        log.write(entries(2), NOW).unwrap();
        match cuts {
            true => *room.lock() = Room { bytes: 300, cuts_fail: true, ..Room::default() },
            false => *room.lock() = Room { bytes: 1 << 20, syncs_fail: true, ..Room::default() },
        }
        assert!(log.write(entries(10), NOW).is_err());
        *room.lock() = Room { bytes: 1 << 20, ..Room::default() };
        assert!(matches!(log.write(entries(1), NOW), Err(AuditError::Broken)));
        assert!(matches!(log.probe(NOW), Err(AuditError::Broken)));
        drop(log);
        let mut log = open(dir.path());
        log.write(entries(1), NOW).unwrap();
        let report = verify(dir.path(), None);
        assert!(report.ok, "the next start reads back what there is: {report}");
    }
}
