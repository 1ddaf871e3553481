//! The audit log as exam patrol writes and reads it: one side's words into the other's.

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::tz::TimeZone;
use lectern_audit::{Audit as Log, Entry, Format, HeadSigner, Query, Stored};
use lectern_media::CameraId;
use lectern_protocol::api::{AuditAction, AuditEntry, AuditPage, AuditSum, Span};
use lectern_recorder::Signer;
use lectern_signaling::{
    patrol::{
        ports::{Audit, AuditFilter, Viewed},
        trail::Act,
    },
    ports::{PortError, ReadAt, Served, ServedBody},
};
use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::Arc};

/// The key that signs recordings signs the log's head, too: one fingerprint to compare.
struct Head(Arc<Signer>);

impl HeadSigner for Head {
    fn public_key(&self) -> [u8; 32] {
        self.0.public_key()
    }
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

/// The audit log.
#[derive(Clone)]
pub struct AuditLog(pub Log, TimeZone);

impl AuditLog {
    /// Opens the log in `<data>/audit`; tables of it have their times in `zone`.
    pub async fn open(data: &Path, signer: Arc<Signer>, zone: TimeZone) -> anyhow::Result<Self> {
        let dir = data.join("audit");
        let log = tokio::task::spawn_blocking(move || Log::open(&dir, Arc::new(Head(signer)))).await?;
        Ok(Self(log.context("could not open the audit log")?, zone))
    }
}

fn fault(what: &'static str, cause: impl ToString) -> PortError {
    PortError { part: "the audit log", what, cause: cause.to_string() }
}

fn entry(act: &Act) -> Entry {
    let (from, to) = act.range.map_or((None, None), |(from, to)| (Some(from), Some(to)));
    Entry {
        who: lectern_audit::Who {
            account: act.who.account,
            name: act.who.name.clone(),
            login: act.who.login.clone(),
            of_place: act.who.of_place.clone(),
        },
        address: act.who.address.clone(),
        place: act.what.place,
        place_name: act.what.place_name.clone(),
        camera: act.what.camera,
        camera_name: act.what.camera_name.clone(),
        from,
        to,
        seconds: act.seconds,
        count: act.count,
        detail: act.detail.clone(),
        ..Entry::new(act.at, act.action)
    }
}

fn shown(stored: Stored) -> AuditEntry {
    let e = stored.entry;
    AuditEntry {
        n: stored.n,
        at: e.at,
        who: e.who.name,
        login: e.who.login,
        from_address: e.address,
        action: e.action,
        place_name: e.place_name,
        camera: e.camera,
        camera_name: e.camera_name,
        from: e.from,
        to: e.to,
        seconds: e.seconds,
        count: e.count,
        detail: e.detail,
    }
}

fn query(filter: AuditFilter) -> Query {
    Query {
        places: filter.places,
        camera: filter.camera,
        account: None,
        login: filter.login,
        action: filter.action,
        from: filter.from,
        to: filter.to,
        after: filter.after,
        limit: filter.limit,
    }
}

/// A file without a name, read from anywhere; gone when nobody reads it any more.
struct Unnamed(File);

impl ReadAt for Unnamed {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; len];
        let mut read = 0;
        while read < len {
            match self.0.read_at(&mut bytes[read..], offset + read as u64)? {
                0 => break,
                n => read += n,
            }
        }
        bytes.truncate(read);
        Ok(bytes.into())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| fault("work", e))?
}

#[async_trait]
impl Audit for AuditLog {
    async fn append(&self, acts: &[Act]) -> Result<(), PortError> {
        let entries = acts.iter().map(entry).collect();
        self.0.append_sync(entries).await.map(drop).map_err(|e| fault("append", e))
    }

    async fn page(&self, filter: AuditFilter) -> Result<AuditPage, PortError> {
        let log = self.0.clone();
        blocking(move || {
            let page = log.query(&query(filter)).map_err(|e| fault("be read", e))?;
            Ok(AuditPage {
                items: page.items.into_iter().map(shown).collect(),
                next: page.next.map(|n| n.to_string()),
                head: page.head.hash.iter().map(|b| format!("{b:02x}")).collect(),
                entries: page.head.n,
            })
        })
        .await
    }

    async fn sum(&self, filter: AuditFilter) -> Result<Vec<AuditSum>, PortError> {
        let log = self.0.clone();
        blocking(move || {
            let sums = log.sum(&query(filter)).map_err(|e| fault("be summed", e))?;
            let shown = sums.into_iter().map(|s| AuditSum {
                who: s.who.name,
                login: s.who.login,
                of_place: s.who.of_place,
                live_s: s.live_s,
                played_s: s.played_s,
                exports: s.exports,
                last: s.last,
            });
            Ok(shown.collect())
        })
        .await
    }

    async fn export(&self, filter: AuditFilter, table: bool) -> Result<Served, PortError> {
        let Self(log, zone) = self.clone();
        blocking(move || {
            let format = if table { Format::Csv(zone) } else { Format::Jsonl };
            let mut file = tempfile::tempfile().map_err(|e| fault("be exported", e))?;
            {
                let mut out = io::BufWriter::new(&mut file);
                log.export(&query(filter), format, &mut out).map_err(|e| fault("be exported", e))?;
                io::Write::flush(&mut out).map_err(|e| fault("be exported", e))?;
            }
            let len_bytes = file.metadata().map_err(|e| fault("be exported", e))?.len();
            let content_type = if table { "text/csv; charset=utf-8" } else { "application/jsonl" };
            Ok(Served { content_type, len_bytes, body: ServedBody::Reader(Arc::new(Unnamed(file))), immutable: false })
        })
        .await
    }

    async fn viewers(&self, cameras: &[CameraId], range: Span) -> Result<Vec<Viewed>, PortError> {
        let (log, cameras) = (self.0.clone(), cameras.to_vec());
        blocking(move || {
            let mut viewed = Vec::new();
            for camera in cameras {
                let mut after = None;
                // Who looked live did so at the time; who played it, later. Both name the stretch that they saw.
                loop {
                    let query =
                        Query { camera: Some(camera), from: Some(range.from), after, limit: PAGE, ..Query::default() };
                    let page = log.query(&query).map_err(|e| fault("be read", e))?;
                    for e in page.items.iter().map(|s| &s.entry) {
                        let Some(action) = look(e.action) else { continue };
                        let (Some(from), Some(to)) = (e.from, e.to) else { continue };
                        if from < range.to && range.from < to {
                            viewed.push(Viewed { camera, who: who(e), what: action.into(), from, to });
                        }
                    }
                    after = page.next;
                    if after.is_none() || viewed.len() >= VIEWERS_MAX {
                        break;
                    }
                }
            }
            viewed.sort_by_key(|v| v.from);
            viewed.truncate(VIEWERS_MAX);
            Ok(viewed)
        })
        .await
    }
}

/// Entries read at a time.
const PAGE: usize = 1_000;
/// Looks that one piece of evidence lists.
const VIEWERS_MAX: usize = 10_000;

fn who(e: &Entry) -> lectern_signaling::patrol::trail::Who {
    lectern_signaling::patrol::trail::Who {
        account: e.who.account,
        name: e.who.name.clone(),
        login: e.who.login.clone(),
        of_place: e.who.of_place.clone(),
        address: e.address.clone(),
    }
}

/// What a look is called in evidence.
fn look(action: AuditAction) -> Option<&'static str> {
    Some(match action {
        AuditAction::TileClosed => "live",
        AuditAction::Listened => "listen",
        AuditAction::Played => "playback",
        AuditAction::Snapshot => "snapshot",
        AuditAction::ExportAsked => "export",
        _ => return None,
    })
}
