//! Bytes of recordings as HTTP: byte ranges (RFC 9110 §14), validators, caching. One range at a time; a request for
//! several gets the whole, as §14.2 allows.
//!
//! Does not belong here: which bytes a recording has (its port knows) and who may have them.

use crate::{
    error::{ApiError, ApiResult, Code},
    ports::{ReadAt, Served, ServedBody},
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use std::{io, ops::Range, sync::Arc};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Bytes read from a file at a time.
const CHUNK_BYTES: u64 = 128 * 1024;

/// The range a request asks for, of a body of `len` bytes. None: the whole.
///
/// # Errors
/// [`Code::BadRange`] if nothing of it exists.
pub fn range_of(headers: &HeaderMap, len: u64, etag: Option<&str>) -> ApiResult<Option<Range<u64>>> {
    let Some(spec) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("bytes="))
    else {
        return Ok(None);
    };
    // RFC 9110 §13.1.5: the range counts only if the body is still the one that the client has a part of.
    if let Some(condition) = headers.get(header::IF_RANGE)
        && condition.to_str().ok() != etag
    {
        return Ok(None);
    }
    let Some((first, last)) = spec.split_once('-').filter(|_| !spec.contains(',')) else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => number(suffix).map(|n| len.saturating_sub(n)..len),
        (first, "") => number(first).map(|first| first..len),
        (first, last) => match (number(first), number(last)) {
            // A last before the first is no range at all (§14.1.1).
            (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(len)),
            _ => None,
        },
    };
    match range {
        None => Ok(None),
        Some(range) if range.start < range.end => Ok(Some(range)),
        Some(_) => Err(ApiError::new(Code::BadRange, format!("the body has {len} bytes"))),
    }
}

/// The validator of a body that never changes.
#[must_use]
pub fn etag_of(served: &Served, name: &str) -> Option<String> {
    served.immutable.then(|| format!("\"{name}-{}\"", served.len_bytes))
}

/// Answers with `served`, whole or the range that the request asks for.
///
/// # Errors
/// If the file can't be opened.
pub async fn answer(served: Served, range: Option<Range<u64>>, etag: Option<&str>) -> ApiResult<Response> {
    let len = served.len_bytes;
    let wanted = range.clone().unwrap_or(0..len);
    let body = match served.body {
        ServedBody::Bytes(bytes) => {
            let end = (wanted.end as usize).min(bytes.len());
            Body::from(bytes.slice((wanted.start as usize).min(end)..end))
        }
        ServedBody::File { path, range } => {
            let mut file = tokio::fs::File::open(&path).await.map_err(ApiError::internal)?;
            let from = range.start.saturating_add(wanted.start);
            file.seek(io::SeekFrom::Start(from)).await.map_err(ApiError::internal)?;
            file_body(file, wanted.end - wanted.start)
        }
        ServedBody::Reader(reader) => reader_body(reader, wanted.clone()),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, served.content_type);
    put(header::CONTENT_LENGTH, &(wanted.end - wanted.start).to_string());
    put(header::ACCEPT_RANGES, "bytes");
    // Private: what one person may see, a proxy must not give to the next.
    put(
        header::CACHE_CONTROL,
        if served.immutable { "private, max-age=86400, immutable" } else { "private, no-cache" },
    );
    if let Some(etag) = etag {
        put(header::ETAG, etag);
    }
    if let Some(range) = range {
        put(header::CONTENT_RANGE, &format!("bytes {}-{}/{len}", range.start, range.end - 1));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// A stretch of a file as a body that is read as fast as it is sent.
fn file_body(file: tokio::fs::File, len: u64) -> Body {
    let chunks = stream::try_unfold((file, len), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let mut chunk = vec![0; left.min(CHUNK_BYTES) as usize];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            // Shorter than promised: break the connection off, so that the client does not take it for whole.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(read);
        Ok(Some((Bytes::from(chunk), (file, left - read as u64))))
    });
    Body::from_stream(chunks.boxed())
}

/// A stretch of what is put together while it is read, on blocking threads, as fast as it is sent.
fn reader_body(reader: Arc<dyn ReadAt>, range: Range<u64>) -> Body {
    let chunks = stream::try_unfold(range, move |rest| {
        let reader = Arc::clone(&reader);
        async move {
            if rest.is_empty() {
                return Ok::<_, io::Error>(None);
            }
            let (at, len) = (rest.start, (rest.end - rest.start).min(CHUNK_BYTES) as usize);
            let read =
                tokio::task::spawn_blocking(move || reader.read_at(at, len)).await.map_err(io::Error::other)??;
            if read.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let next = at + read.len() as u64;
            Ok(Some((read, next..rest.end)))
        }
    });
    Body::from_stream(chunks.boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(spec: &str, len: u64) -> Result<Option<Range<u64>>, Code> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(spec).unwrap());
        range_of(&headers, len, None).map_err(|e| e.code)
    }

    #[test]
    fn ranges() {
        for (spec, want) in [
            ("bytes=0-99", Ok(Some(0..100))),
            ("bytes=900-", Ok(Some(900..1_000))),
            ("bytes=-100", Ok(Some(900..1_000))),
            ("bytes=-5000", Ok(Some(0..1_000))),
            ("bytes=990-5000", Ok(Some(990..1_000))),
            ("bytes=999-999", Ok(Some(999..1_000))),
            ("bytes=1000-", Err(Code::BadRange)),
            ("bytes=-0", Err(Code::BadRange)),
            // not ranges: the whole
            ("bytes=5-2", Ok(None)),
            ("bytes=0-1,5-6", Ok(None)),
            ("bytes=a-b", Ok(None)),
            ("items=0-1", Ok(None)),
            ("bytes=18446744073709551615-18446744073709551615", Err(Code::BadRange)),
        ] {
            assert_eq!(range(spec, 1_000), want, "{spec}");
        }
        assert_eq!(range("bytes=0-0", 0), Err(Code::BadRange), "nothing of an empty body");
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=5-"));
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"a-10\""));
        assert_eq!(range_of(&headers, 10, Some("\"a-10\"")).unwrap(), Some(5..10));
        assert_eq!(range_of(&headers, 12, Some("\"a-12\"")).unwrap(), None);
        assert_eq!(range_of(&headers, 12, None).unwrap(), None);
    }

    #[tokio::test]
    async fn files_are_cut_to_the_range() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
        std::fs::write(file.path(), &content).unwrap();
        let served = |len: u64| Served {
            content_type: "video/mp4",
            len_bytes: len,
            body: ServedBody::File { path: file.path().to_owned(), range: 1_000..1_000 + len },
            immutable: true,
        };
        let response = answer(served(250_000), Some(10..200_010), Some("\"x\"")).await.unwrap();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[header::CONTENT_RANGE], "bytes 10-200009/250000");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(&body[..], &content[1_010..201_010]);
        let whole = answer(served(299_000), None, None).await.unwrap();
        assert_eq!(whole.status(), StatusCode::OK);
        assert_eq!(axum::body::to_bytes(whole.into_body(), usize::MAX).await.unwrap().len(), 299_000);
        let cut_short = answer(served(400_000), None, None).await.unwrap();
        assert!(axum::body::to_bytes(cut_short.into_body(), usize::MAX).await.is_err());
    }
}
