use super::*;
use crate::{HeadSigner as _, chain::signature_fits, chain::tests::TestKey, verify};
use std::{path::Path, sync::Arc, time::Duration};

const NOW: UnixMillis = UnixMillis(1_796_083_140_000);

fn open(dir: &Path) -> Audit {
    Audit::open(dir, Arc::new(TestKey::new(1))).unwrap()
}

struct World {
    places: [PlaceId; 2],
    cameras: [CameraId; 4],
    people: [Who; 3],
}

fn world() -> World {
    let who = |n: usize| Who {
        account: Some(AccountId::generate()),
        name: format!("人{n}"),
        login: format!("Person{n}"),
        of_place: "市".into(),
    };
    World {
        places: [PlaceId::generate(), PlaceId::generate()],
        cameras: std::array::from_fn(|_| CameraId::generate()),
        people: [who(0), who(1), who(2)],
    }
}

impl World {
    /// `n` entries, a second apart.
    fn entries(&self, n: usize) -> Vec<Entry> {
        let actions = [AuditAction::TileOpened, AuditAction::TileClosed, AuditAction::Played];
        let entry = |i: usize| Entry {
            who: self.people[i % 3].clone(),
            place: Some(self.places[i % 4 / 2]),
            camera: Some(self.cameras[i % 4]),
            seconds: (!i.is_multiple_of(3)).then_some(10),
            // Text that looks like another field.
            detail: format!("\"place\":\"{}\",\"camera\":\"{}\"", self.places[0], self.cameras[0]),
            ..Entry::new(NOW.plus(Duration::from_secs(i as u64)), actions[i % 3])
        };
        (0..n).map(entry).collect()
    }
}

async fn filled(dir: &Path, entries: &[Entry]) -> Audit {
    let audit = open(dir);
    for chunk in entries.chunks(500) {
        audit.append_sync(chunk.to_vec()).await.unwrap();
    }
    audit
}

/// All pages, one after the other.
fn all(audit: &Audit, query: Query) -> Vec<Stored> {
    let (mut found, mut query) = (vec![], query);
    loop {
        let page = audit.query(&query).unwrap();
        found.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn queries_find_what_a_plain_look_finds() {
    let (dir, w) = (tempfile::tempdir().unwrap(), world());
    let entries = w.entries(3_000);
    let audit = filled(dir.path(), &entries).await;
    let at = |s| Some(NOW.plus(Duration::from_secs(s)));
    let queries = [
        Query::default(),
        Query { camera: Some(w.cameras[2]), ..Query::default() },
        Query { places: Some([w.places[0]].into()), ..Query::default() },
        Query { places: Some(w.places.into()), ..Query::default() },
        Query { places: Some([PlaceId::generate(), w.places[1]].into()), ..Query::default() },
        Query { places: Some(HashSet::new()), ..Query::default() },
        Query { account: w.people[1].account, ..Query::default() },
        Query { login: Some("pERSON2".into()), ..Query::default() },
        Query { action: Some(AuditAction::Played), camera: Some(w.cameras[1]), ..Query::default() },
        Query { from: at(100), to: at(200), ..Query::default() },
        Query { from: at(2_990), ..Query::default() },
        Query { to: at(7), ..Query::default() },
        Query { from: at(5_000), ..Query::default() },
        Query { after: Some(50), ..Query::default() },
        Query { camera: Some(CameraId::generate()), ..Query::default() },
    ];
    for query in queries {
        let want: Vec<Entry> = entries
            .iter()
            .enumerate()
            .filter(|(i, e)| query.fits(&Stored { n: *i as u64 + 1, entry: (*e).clone() }))
            .map(|(_, e)| e.clone())
            .rev()
            .collect();
        for limit in [7, 1_000] {
            let found = all(&audit, Query { limit, ..query.clone() });
            assert!(found.is_sorted_by(|a, b| a.n > b.n), "newest first");
            let found: Vec<Entry> = found.into_iter().map(|s| s.entry).collect();
            assert_eq!(found.len(), want.len(), "{query:?}");
            assert!(found == want, "{query:?}");
        }
    }
    // Again after a restart, when the index is read and not remembered.
    audit.close().await;
    let audit = open(dir.path());
    assert_eq!(all(&audit, Query { camera: Some(w.cameras[2]), limit: 100, ..Query::default() }).len(), 750);
}

#[tokio::test]
async fn a_page_holds_what_was_durable_when_it_was_asked_for() {
    let (dir, w) = (tempfile::tempdir().unwrap(), world());
    let audit = filled(dir.path(), &w.entries(20)).await;
    let first = audit.query(&Query { limit: 10, ..Query::default() }).unwrap();
    assert_eq!((first.items[0].n, first.head.n, first.next), (20, 20, Some(11)));
    audit.append_sync(w.entries(5)).await.unwrap();
    let second = audit.query(&Query { limit: 100, after: first.next, ..Query::default() }).unwrap();
    assert_eq!(second.items.iter().map(|s| s.n).collect::<Vec<_>>(), (1..=10).rev().collect::<Vec<_>>());
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn who_looked_and_how_long() {
    let (dir, w) = (tempfile::tempdir().unwrap(), world());
    let mut entries = w.entries(300);
    entries.push(Entry { who: w.people[0].clone(), ..Entry::new(NOW, AuditAction::ExportAsked) });
    let (from, to) = (Some(UnixMillis(1_000)), Some(UnixMillis(61_000)));
    let played = Entry { who: w.people[0].clone(), from, to, ..Entry::new(NOW, AuditAction::Played) };
    // Whoever hears it, too, looks no longer for that.
    entries.push(Entry { detail: "sound".into(), ..played.clone() });
    entries.push(played);
    let audit = filled(dir.path(), &entries).await;
    let sums = audit.sum(&Query::default()).unwrap();
    let shown: Vec<_> = sums.iter().map(|s| (s.who.login.as_str(), s.live_s, s.played_s, s.exports)).collect();
    // Person 1 closes a hundred tiles of ten seconds, person 2 plays a hundred times.
    assert_eq!(shown, [("Person2", 0, 1_000, 0), ("Person1", 1_000, 0, 0), ("Person0", 0, 60, 1)]);
    let one_site = audit.sum(&Query { places: Some([w.places[0]].into()), ..Query::default() }).unwrap();
    assert_eq!(one_site.iter().map(|s| s.live_s + s.played_s).sum::<u64>(), 1_000);
}

#[tokio::test]
async fn an_export_proves_itself() {
    let (dir, w) = (tempfile::tempdir().unwrap(), world());
    let mut entries = w.entries(100);
    entries[0].who.name = "=cmd()".into();
    let audit = filled(dir.path(), &entries).await;
    let query = Query { camera: Some(w.cameras[0]), ..Query::default() };
    let shanghai = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    for format in [Format::Jsonl, Format::Csv(shanghai)] {
        let mut out = vec![];
        let exported = audit.export(&query, format.clone(), &mut out).unwrap();
        assert_eq!((exported.entries, exported.head.n), (25, 100));
        let text = String::from_utf8(out.clone()).unwrap();
        let last = text.trim_end().lines().last().unwrap();
        let content = &out[..text.trim_end().len() - last.len()];
        assert_eq!(<[u8; 32]>::from(Sha256::digest(content)), exported.content);
        let json = last.trim_matches('"').replace("\"\"", "\"");
        let end: serde_json::Value = serde_json::from_str(&json).unwrap();
        let signature = hex::decode(end["sig"].as_str().unwrap()).unwrap();
        let message = export_message(&exported.content, &exported.head);
        assert!(signature_fits(&TestKey::new(1).public_key(), &message, &signature));
        assert_eq!(end["head"], hex::encode(exported.head.hash));
        match format {
            // The lines as they are in the log, so that each proves its own hash.
            Format::Jsonl => {
                let lines: Vec<_> = text.lines().take(25).collect();
                assert!(lines.iter().all(|line| crate::entry::Line::parse(line.as_bytes()).is_some()));
                let times: Vec<_> = lines.iter().filter_map(|l| crate::entry::entry_in(l.as_bytes())).collect();
                assert!(times.len() == 25 && times.is_sorted_by_key(|s| s.n), "oldest first");
            }
            Format::Csv(_) => {
                let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&out[3..]);
                let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
                assert_eq!((rows.len(), &rows[0][0], &rows[0][4], &rows[1][4]), (26, "1", "'=cmd()", "人1"));
                let at: jiff::Timestamp = rows[0][2].parse().unwrap();
                assert!(
                    rows[0][2].ends_with("+08:00") && at.as_millisecond().to_string() == rows[0][1],
                    "{:?}",
                    rows[0]
                );
            }
        }
    }
    audit.close().await;
    assert!(verify(dir.path(), None).ok);
}

/// Ways to edit an export; each must be found, and in the line where it was made if that can be known.
#[tokio::test]
async fn an_export_is_verified_without_the_log_and_every_edit_is_found() {
    let (dir, w) = (tempfile::tempdir().unwrap(), world());
    let audit = filled(dir.path(), &w.entries(40)).await;
    let key = TestKey::new(1).public_key();
    let check = |bytes: &[u8]| verify::verify_export("audit.jsonl", bytes, Some(&key));
    let export = |query: &Query, format| {
        let mut out = Vec::new();
        audit.export(query, format, &mut out).unwrap();
        out
    };
    let whole = export(&Query::default(), Format::Jsonl);
    // Of one camera: neighbours in the piece are not neighbours in the log.
    let piece = export(&Query { camera: Some(w.cameras[1]), ..Query::default() }, Format::Jsonl);
    for (bytes, entries) in [(&whole, 40), (&piece, 10)] {
        let report = check(bytes);
        assert!(report.ok && report.entries == entries && report.keys.len() == 1, "{report}");
        assert!(!verify::verify_export("x", &bytes[..], Some(&[7; 32])).ok, "another key");
    }
    assert!(
        check(&export(&Query { to: Some(UnixMillis(0)), ..Query::default() }, Format::Jsonl)).ok,
        "nothing is a piece"
    );

    for bytes in [&whole, &piece] {
        let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        let last = lines.len() - 1;
        // (what was done, the file, the line named; 0: the file as a whole)
        let mut edits: Vec<(&str, Vec<u8>, u64)> = Vec::new();
        for (nth, line) in lines.iter().enumerate().take(last) {
            let text = String::from_utf8(line.to_vec()).unwrap();
            let changed = text.replacen("Person", "Perzon", 1);
            let with = |new: &[u8]| [&lines[..nth].concat(), new, &lines[nth + 1..].concat()].concat();
            edits.push(("changed", with(changed.as_bytes()), nth as u64 + 1));
            edits.push(("removed", with(b""), 0));
            edits.push(("doubled", with(&[*line, *line].concat()), nth as u64 + 2));
        }
        let swapped = [lines[1], lines[0], &lines[2..].concat()].concat();
        edits.push(("swapped", swapped, 2));
        edits.push(("the end cut off", lines[..last].concat(), last as u64));
        edits.push(("cut within the end", bytes[..bytes.len() - 5].to_vec(), last as u64 + 1));
        let end = String::from_utf8(lines[last].to_vec()).unwrap();
        for (field, value) in [("entries", "41"), ("head_n", "9999"), ("export", "2")] {
            let at = end.find(&format!("\"{field}\":")).unwrap() + field.len() + 3;
            let rest = end[at..].find(',').unwrap() + at;
            let new = format!("{}{value}{}", &end[..at], &end[rest..]);
            let line = if field == "entries" { 0 } else { last as u64 + 1 };
            edits.push((field, [&lines[..last].concat(), new.as_bytes()].concat(), line));
        }
        for (what, bytes, line) in edits {
            let report = check(&bytes);
            assert!(!report.ok, "{what}");
            assert!(report.faults.iter().any(|f| f.line == line), "{what} in line {line}: {report}");
        }
    }
    // A whole line of another log fits in itself and not between its neighbours.
    let other = tempfile::tempdir().unwrap();
    let other = filled(other.path(), &w.entries(41)).await;
    let mut out = Vec::new();
    other.export(&Query::default(), Format::Jsonl, &mut out).unwrap();
    let foreign: Vec<&[u8]> = out.split_inclusive(|b| *b == b'\n').collect();
    let mut lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
    if foreign[20] != lines[20] {
        lines[20] = foreign[20];
        assert!(check(&lines.concat()).faults.iter().any(|f| f.line == 21 || f.line == 22));
    }

    let table = export(&Query::default(), Format::Csv(jiff::tz::TimeZone::UTC));
    let report = check(&table);
    assert!(report.ok && report.entries == 40, "{report}");
    for at in (3..table.len()).step_by(97) {
        let mut edited = table.clone();
        edited[at] ^= 1;
        assert!(!check(&edited).ok, "byte {at} of the table");
    }
    // The number in the last line is not in what is signed: the rows are counted.
    let text = String::from_utf8(table).unwrap();
    for other in ["39", "41", "0"] {
        let edited = text.replacen("\"\"entries\"\":40", &format!("\"\"entries\"\":{other}"), 1);
        assert_ne!(edited, text);
        let report = check(edited.as_bytes());
        assert!(report.faults.iter().any(|f| f.line == 0 && f.what.contains("40 are here")), "{other}: {report}");
    }
    assert!(!check(b"").ok && !check(b"{}\n").ok && !check(b"\n\n\n").ok);
}
