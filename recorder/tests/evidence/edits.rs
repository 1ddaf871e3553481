//! Random edits of an export: each must be found, by us and by the other program, and told of the camera and second it is in.
//! `LECTERN_EDITS` says how many; one in fifty is shown to the other program as well, three hundred at most.

use crate::{container, container::Members, site::*};
use lectern_media::CameraId;
use lectern_recorder::{
    ChainLine,
    evidence::{Report, verify_source},
    parse_chain,
};
use rand::{Rng, SeedableRng, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

/// Runs the independent verifier.
pub fn python(file: &Path, key: Option<[u8; 32]>) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/verify-evidence.py");
    let out = Command::new("python3").arg("-B").arg(script).arg(file).args(key.map(hex::encode)).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(matches!(out.status.code(), Some(0 | 1)) && out.stderr.is_empty(), "{said}");
    (out.status.success(), said)
}

/// What an edit touched: the verdict must name this camera, and a moment not more than a second or so away.
#[derive(Debug, Clone)]
struct Touched {
    camera: Option<CameraId>,
    at: Option<(i64, i64)>,
}

/// A record of the export and where its bytes are.
#[derive(Debug, Clone)]
struct Place {
    member: usize,
    from: usize,
    len: usize,
    at: (i64, i64),
}

struct Export {
    file: Vec<u8>,
    members: Members,
    /// By member.
    places: BTreeMap<usize, Vec<Place>>,
}

impl Export {
    fn read(path: &Path) -> Self {
        let file = std::fs::read(path).unwrap();
        let members = container::read(&file);
        assert_eq!(container::write(&members), file, "the container follows from its members");
        let mut places: BTreeMap<usize, Vec<Place>> = BTreeMap::new();
        for (n, (name, bytes)) in members.iter().enumerate() {
            if !name.ends_with("chain.jsonl") {
                continue;
            }
            let (folder, camera) = (name.trim_end_matches("chain.jsonl"), camera_of(name).unwrap());
            let recording: ulid::Ulid = name.split('/').nth(1).unwrap().parse().unwrap();
            let started = recording.timestamp_ms() as i64;
            let mut at = 0;
            let mut line_at = 0;
            for line in parse_chain(bytes).0 {
                let line_len = bytes[line_at..].iter().position(|b| *b == b'\n').unwrap() + 1;
                let (from, len) = (line_at, line_len);
                line_at += line_len;
                let record = match line {
                    ChainLine::Record(r) => r,
                    ChainLine::Signature(s) => {
                        places.entry(n).or_default().push(Place {
                            member: n,
                            from,
                            len,
                            at: (at.max(s.at.0 - 1000), s.at.0),
                        });
                        continue;
                    }
                };
                let streams = lectern_media::CameraStream::ALL;
                let stream = streams.iter().find(|s| record.file.starts_with(&camera.track(**s).to_string()));
                let hz = match (record.file.ends_with("cmf"), stream) {
                    (true, Some(lectern_media::CameraStream::Sound)) => 8,
                    (true, _) => 90,
                    _ => 1,
                };
                let what = match stream {
                    None => "timeline.".to_owned(),
                    Some(s) => format!("{}-{}.", format!("{s:?}").to_lowercase(), part_of(&record.file)),
                };
                if !record.file.ends_with("cmf") || record.duration > 0 {
                    at = started + (record.time / hz) as i64;
                }
                let span = (at, at + (record.duration / hz) as i64);
                places.entry(n).or_default().push(Place { member: n, from, len, at: span });
                let holder = members
                    .iter()
                    .enumerate()
                    .filter_map(|(i, (name, _))| {
                        let rest = name.strip_prefix(folder)?.strip_prefix(&what)?;
                        let mut numbers = rest.split('.').map(|n| n.parse::<u64>());
                        let (init, offset) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
                        (offset <= record.offset).then(|| (offset, i, init + record.offset - offset))
                    })
                    .max();
                let (_, member, from) = holder.unwrap_or_else(|| panic!("{record:?} is in a member"));
                let place = Place { member, from: from as usize, len: record.len as usize, at: span };
                places.entry(member).or_default().push(place);
            }
        }
        Self { file, members, places }
    }

    /// What is at a byte of a member.
    fn touched(&self, member: usize, at: usize) -> Touched {
        let camera = camera_of(&self.members[member].0);
        let places = self.places.get(&member);
        let place = places.and_then(|p| p.iter().find(|p| (p.from..p.from + p.len).contains(&at)));
        Touched { camera, at: place.map(|p| p.at) }
    }

    /// What is at a byte of the file.
    fn touched_by(&self, at: usize) -> Touched {
        let members = container::members(&self.file);
        match members.iter().position(|(_, r)| r.contains(&at)) {
            Some(m) => self.touched(m, at - members[m].1.start),
            None => Touched { camera: None, at: None },
        }
    }
}

fn part_of(file: &str) -> &str {
    if file.ends_with(".raw") { "raw" } else { file.split('.').nth(1).unwrap() }
}

fn camera_of(name: &str) -> Option<CameraId> {
    name.split_once('/').and_then(|(id, _)| id.parse().ok())
}

/// Puts right hashes into `hashes.json`, as a forger would who has no key.
fn rehash(members: &mut Members) {
    let sums: BTreeMap<String, (usize, String)> =
        members.iter().map(|(n, b)| (n.clone(), (b.len(), hex::encode(Sha256::digest(b))))).collect();
    let hashes = members.iter_mut().find(|(n, _)| n == "hashes.json").unwrap();
    let mut doc: serde_json::Value = serde_json::from_slice(&hashes.1).unwrap();
    for m in doc["members"].as_array_mut().unwrap() {
        if let Some((size, sha)) = sums.get(m["name"].as_str().unwrap()) {
            m["size"] = (*size).into();
            m["sha256"] = sha.clone().into();
        }
    }
    hashes.1 = serde_json::to_vec_pretty(&doc).unwrap();
    hashes.1.push(b'\n');
}

struct Edit {
    what: &'static str,
    file: Vec<u8>,
    touched: Touched,
}

fn media(e: &Export, rng: &mut ChaCha8Rng) -> usize {
    let all: Vec<usize> =
        (0..e.members.len()).filter(|m| e.members[*m].0.ends_with(".mp4") && e.places[m].len() > 3).collect();
    *all.choose(rng).unwrap()
}

fn named(e: &Export, end: &str, rng: &mut ChaCha8Rng) -> usize {
    let all: Vec<usize> = (0..e.members.len()).filter(|m| e.members[*m].0.ends_with(end)).collect();
    *all.choose(rng).unwrap()
}

/// One edit; `other` is an export of the same site at another time.
fn edit(e: &Export, other: &Export, rng: &mut ChaCha8Rng) -> Edit {
    let mut members = e.members.clone();
    let kind = rng.random_range(0..22);
    let m = media(e, rng);
    let place = e.places[&m][rng.random_range(1..e.places[&m].len() - 1)].clone();
    let of = |p: &Place| Touched { camera: camera_of(&e.members[p.member].0), at: Some(p.at) };
    let raw = |what, file: Vec<u8>, touched| Edit { what, file, touched };
    let (what, touched) = match kind {
        0..=3 => {
            let (mut file, at) = (e.file.clone(), rng.random_range(0..e.file.len()));
            file[at] ^= 1 << rng.random_range(0..8);
            return raw("a bit of the file", file, e.touched_by(at));
        }
        4 | 5 => {
            let at = place.from + rng.random_range(0..place.len);
            members[m].1[at] ^= 1 << rng.random_range(0..8);
            ("a bit of a fragment", of(&place))
        }
        6 => {
            members[m].1.drain(place.from..place.from + place.len);
            ("a fragment taken out", of(&place))
        }
        7 => {
            let at = place.from + rng.random_range(0..place.len);
            let n = rng.random_range(1..=200.min(place.from + place.len - at));
            let start = container::members(&e.file)[m].1.start + at;
            let file = [&e.file[..start], &e.file[start + n..]].concat();
            return raw("bytes cut out of the file", file, of(&place));
        }
        8 => {
            let at = place.from + rng.random_range(0..place.len);
            let start = container::members(&e.file)[m].1.start + at;
            let put: Vec<u8> = (0..rng.random_range(1..200)).map(|_| rng.random()).collect();
            return raw("bytes put into the file", [&e.file[..start], &put, &e.file[start..]].concat(), of(&place));
        }
        9 => {
            let second = e.places[&m].iter().filter(|p| p.from > place.from).cloned().collect::<Vec<_>>();
            let second = second.choose(rng).unwrap();
            let b = &members[m].1;
            let (one, two) = (&b[place.from..place.from + place.len], &b[second.from..second.from + second.len]);
            let between = &b[place.from + place.len..second.from];
            let swapped = [&b[..place.from], two, between, one, &b[second.from + second.len..]].concat();
            members[m].1 = swapped;
            ("two fragments swapped", of(&place))
        }
        10 => {
            let at = rng.random_range(1..e.file.len());
            return raw("the file cut off", e.file[..at].to_vec(), e.touched_by(at));
        }
        11 => {
            let at = place.from + rng.random_range(0..place.len);
            members[m].1.truncate(at);
            ("a stream cut off", of(&place))
        }
        12 => {
            let o = media(other, rng);
            let from = other.places[&o].choose(rng).unwrap();
            let put = other.members[o].1[from.from..from.from + from.len].to_vec();
            members[m].1.splice(place.from..place.from + place.len, put);
            ("a fragment of another export", of(&place))
        }
        13 => {
            let put = members[m].1[place.from..place.from + place.len].to_vec();
            members[m].1.splice(place.from..place.from, put);
            ("a fragment twice", of(&place))
        }
        14 => {
            let tfdt = members[m].1[place.from..].windows(4).position(|w| w == b"tfdt").unwrap() + place.from;
            let at = tfdt + 8 + rng.random_range(0..8);
            members[m].1[at] = members[m].1[at].wrapping_add(rng.random_range(1..=255));
            ("a fragment's time", of(&place))
        }
        15 => {
            let c = named(e, "chain.jsonl", rng);
            let line = e.places[&c].choose(rng).unwrap().clone();
            let text = String::from_utf8(members[c].1[line.from..line.from + line.len].to_vec()).unwrap();
            let mut v: serde_json::Value = serde_json::from_str(&text).unwrap();
            let key = if v.get("t").is_some() { ["t", "o", "n", "h", "f"].choose(rng).unwrap() } else { &"at" };
            let before = v.clone();
            v[*key] = match &v[*key] {
                serde_json::Value::Number(n) => (n.as_u64().unwrap() ^ (1 << rng.random_range(0..20))).into(),
                other => other.as_str().unwrap().replace(['1', 'A', 'b'], "7").into(),
            };
            let put = serde_json::to_string(&v).unwrap() + "\n";
            let same = before == v;
            members[c].1.splice(line.from..line.from + line.len, if same { b"\n".to_vec() } else { put.into_bytes() });
            ("an entry of the chain", of(&line))
        }
        16 => {
            let c = named(e, "chain.jsonl", rng);
            let line = e.places[&c].choose(rng).unwrap().clone();
            members[c].1.drain(line.from..line.from + line.len);
            ("an entry of the chain taken out", of(&line))
        }
        17 => {
            let c = named(e, "events.jsonl", rng);
            let text = String::from_utf8(members[c].1.clone()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let n = rng.random_range(0..lines.len());
            let mut v: serde_json::Value = serde_json::from_str(&lines[n]).unwrap();
            let at = v["at"].as_i64().unwrap();
            if v.get("offset_ms").is_some() {
                v["offset_ms"] = (v["offset_ms"].as_i64().unwrap() + rng.random_range(1..5000)).into();
            } else {
                v["to"] = (v["to"].as_i64().unwrap() + rng.random_range(1..5000)).into();
            }
            lines[n] = serde_json::to_string(&v).unwrap();
            members[c].1 = (lines.join("\n") + "\n").into_bytes();
            ("a clock offset or gap", Touched { camera: camera_of(&e.members[c].0), at: Some((at, at)) })
        }
        18 => {
            let end = ["camera.json", "recording.json"].choose(rng).unwrap();
            let c = named(e, end, rng);
            let digits: Vec<usize> = (0..members[c].1.len()).filter(|i| members[c].1[*i].is_ascii_digit()).collect();
            let at = *digits.choose(rng).unwrap();
            members[c].1[at] = if members[c].1[at] == b'5' { b'6' } else { b'5' };
            ("what is said of a camera", Touched { camera: camera_of(&e.members[c].0), at: None })
        }
        19 => {
            let end = ["manifest.json", "viewers.json", "说明.html"].choose(rng).unwrap();
            let c = named(e, end, rng);
            let at = rng.random_range(0..members[c].1.len());
            members[c].1[at] = if members[c].1[at] == b'5' { b'6' } else { b'5' };
            ("what is said of the export", Touched { camera: None, at: None })
        }
        20 => {
            let c = rng.random_range(0..members.len());
            let (name, _) = members.remove(c);
            let at = e.places.get(&c).map(|p| (p[0].at.0, p[p.len() - 1].at.1));
            ("a member taken out", Touched { camera: camera_of(&name), at })
        }
        _ => {
            // A recording's chain and media of another export, whole and well signed.
            let folder = e.members[m].0.rsplit_once('/').unwrap().0.to_owned();
            let camera = camera_of(&folder).unwrap();
            let theirs =
                other.members.iter().filter(|(n, _)| n.starts_with(&camera.to_string()) && n.matches('/').count() == 2);
            let at = members.iter().position(|(n, _)| n.starts_with(&folder)).unwrap();
            members.retain(|(n, _)| !n.starts_with(&folder));
            members.splice(at..at, theirs.cloned());
            let of = |(n, p): (&usize, &Vec<Place>)| e.members[*n].0.starts_with(&folder).then(|| p[0].at.0);
            let began = e.places.iter().filter_map(of).min().unwrap();
            ("a recording of another export", Touched { camera: Some(camera), at: Some((began, began + 1000)) })
        }
    };
    // Half of the forgers put the hashes right.
    let rehashed = kind != 20 && rng.random();
    if rehashed {
        rehash(&mut members);
    }
    let untold = rehashed && matches!(kind, 17 | 18);
    let touched = if untold { Touched { camera: None, at: None } } else { touched };
    Edit { what, file: container::write(&members), touched }
}

/// Whether the report names what was touched.
fn names(report: &Report, touched: &Touched) -> Result<(), &'static str> {
    let Some(camera) = touched.camera else { return Ok(()) };
    let mut of = report.findings.iter().filter(|f| f.camera == Some(camera)).peekable();
    if of.peek().is_none() {
        return Err("the camera is not named");
    }
    let Some((from, to)) = touched.at else { return Ok(()) };
    let near = |f: &lectern_recorder::evidence::Finding| {
        f.from.is_some_and(|a| a.0 <= to + 1500) && f.to.is_some_and(|b| b.0 >= from - 1500)
    };
    if of.any(near) { Ok(()) } else { Err("the second is not named") }
}

#[test]
fn every_random_edit_is_found_and_told_of_its_camera_and_second() {
    let edits: u64 = std::env::var("LECTERN_EDITS").ok().map_or(300, |n| n.parse().expect("LECTERN_EDITS is a number"));
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 3, 7);
    site.cameras[1].silent.push((T0 + 21_000, T0 + 23_000));
    site.cameras[0].lossy.push(T0 + 18_200);
    site.run(40_000);
    let path = |name: &str| -> PathBuf { tmp.path().join(name) };
    exported(&site, &[0, 1, 2], T0 + 14_000, T0 + 26_000, path("a.zip"));
    exported(&site, &[0, 1, 2], T0 + 29_000, T0 + 33_000, path("b.zip"));
    let (e, other) = (Export::read(&path("a.zip")), Export::read(&path("b.zip")));
    assert!(verify_source(&e.file[..], None).authentic && python(&path("a.zip"), None).0);
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut wrong: Vec<String> = Vec::new();
    let shown = (edits / 50).clamp(12, 300);
    for n in 0..edits {
        let mut rng = ChaCha8Rng::seed_from_u64(n);
        let edit = edit(&e, &other, &mut rng);
        assert_ne!(edit.file, e.file, "edit {n} ({}) is one", edit.what);
        let report = verify_source(&edit.file[..], Some(site.signer.public_key()));
        if report.authentic {
            wrong.push(format!("edit {n} ({}) is not found: {:?}", edit.what, edit.touched));
        }
        if let Err(why) = names(&report, &edit.touched) {
            wrong.push(format!("edit {n} ({}): {why}: {:?}\n{report}", edit.what, edit.touched));
        }
        let count = counts.entry(edit.what).or_default();
        count.0 += 1;
        count.1 += u64::from(edit.touched.at.is_some());
        if n % (edits / shown).max(1) == 0 {
            std::fs::write(path("edited.zip"), &edit.file).unwrap();
            let (authentic, said) = python(&path("edited.zip"), None);
            assert!(!authentic, "edit {n} ({}) is not found by the other program: {said}", edit.what);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    println!("{edits} edits of {} bytes: found (told to the second)", e.file.len());
    for (what, (found, timed)) in counts {
        println!("  {what}: {found} ({timed})");
    }
}

#[test]
fn a_file_cut_anywhere_is_not_authentic_and_never_a_panic() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 1, 8);
    site.run(8_000);
    exported(&site, &[0], T0 + 3_000, T0 + 4_000, tmp.path().join("a.zip"));
    let file = std::fs::read(tmp.path().join("a.zip")).unwrap();
    let step = (file.len() / 400).max(1);
    for n in (0..file.len()).step_by(step).chain(file.len() - 100..file.len()) {
        assert!(!verify_source(&file[..n], None).authentic, "cut to {n}");
    }
}
