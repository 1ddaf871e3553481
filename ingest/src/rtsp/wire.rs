//! Bytes of an RTSP connection → messages and interleaved packets. retina parses; the bounds are ours.

use crate::fault::Fault;
use bytes::{Bytes, BytesMut};
use retina::rtsp::{
    msg::{Message, Response},
    parse::{FeedError, Parser},
};

/// The most bytes of one message, head and body: a description of a camera has a few thousand.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Room made when there is too little to read into. Packets keep the block they came in: a block for each read would make every
/// packet that waits somewhere cost one. A picture of 4 Mbit/s has some 20 kB.
const READ_BYTES: usize = 32 * 1024;

/// Less room than this is too little: each read beyond the first of a picture costs as much as a dozen packets.
const ROOM_BYTES_MIN: usize = 8 * 1024;

/// One thing that came.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// An answer and its body.
    Response(Box<Response>, Bytes),
    /// The camera asks us something; nothing that matters to us can be asked.
    Request,
    /// An interleaved packet (RFC 2326 §10.12).
    Data {
        /// The channel.
        channel: u8,
        /// The packet.
        packet: Bytes,
    },
}

/// The reading side. Read into [`Reader::buffer`], then take from [`Reader::next`] until `None`.
pub(crate) struct Reader {
    parser: Parser,
    buf: BytesMut,
    /// Bytes of the message in the making that the parser has taken already.
    taken: usize,
    /// Whether a message was understood before.
    speaks_rtsp: bool,
}

impl Reader {
    pub(crate) fn new() -> Self {
        let parser = Parser::builder().max_message_size(MESSAGE_BYTES_MAX).build();
        Self { parser, buf: BytesMut::new(), taken: 0, speaks_rtsp: false }
    }

    /// Where to read into.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        if self.buf.capacity() - self.buf.len() < ROOM_BYTES_MIN {
            self.buf.reserve(READ_BYTES);
        }
        &mut self.buf
    }

    /// The next whole message, or `None` if more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, Fault> {
        let broken = if self.speaks_rtsp { Fault::Protocol("not an RTSP message") } else { Fault::NotRtsp };
        let mut input = &self.buf[..];
        let before = input.len();
        let fed = self.parser.feed(&mut input).map(|found| found.map(|(message, body)| (message, body.len())));
        let consumed = before - input.len();
        match fed {
            Ok(Some((message, body_len))) => {
                self.taken = 0;
                self.speaks_rtsp = true;
                let body = self.buf.split_to(consumed).split_off(consumed - body_len).freeze();
                Ok(Some(match message {
                    Message::Data(data) => Incoming::Data { channel: data.channel_id, packet: body },
                    Message::Response(response) => Incoming::Response(Box::new(response), body),
                    Message::Request(_) => Incoming::Request,
                }))
            }
            Ok(None) | Err(FeedError::Incomplete(_)) => {
                let _ = self.buf.split_to(consumed);
                self.taken += consumed;
                // The parser checks the size at the end of the head only.
                if self.taken + self.buf.len() > MESSAGE_BYTES_MAX + READ_BYTES {
                    return Err(broken);
                }
                Ok(None)
            }
            Err(FeedError::Invalid(_)) => Err(broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], step: usize) -> Result<Vec<String>, Fault> {
        let (mut reader, mut out) = (Reader::new(), Vec::new());
        for chunk in bytes.chunks(step) {
            reader.buffer().extend_from_slice(chunk);
            while let Some(incoming) = reader.next()? {
                out.push(match incoming {
                    Incoming::Response(r, body) => format!("{} {}", r.status_code.as_u16(), body.len()),
                    Incoming::Request => "request".to_owned(),
                    Incoming::Data { channel, packet } => format!("{channel}: {packet:?}"),
                });
            }
        }
        Ok(out)
    }

    #[test]
    fn messages_and_packets_come_out_however_they_are_cut() {
        let bytes = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc$\x02\x00\x02hi\r\nOPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n";
        for step in 1..bytes.len() {
            assert_eq!(all(bytes, step).unwrap(), ["200 3", "2: b\"hi\"", "request"], "step {step}");
        }
    }

    #[test]
    fn what_grows_without_end_is_refused() {
        let endless_line = [&b"RTSP/1.0 200 OK\r\nA: "[..], &[b'x'; 200_000]].concat();
        let endless_head = [&b"RTSP/1.0 200 OK\r\n"[..], &b"A: b\r\n".repeat(40_000)].concat();
        let huge_body = b"RTSP/1.0 200 OK\r\nContent-Length: 4000000000\r\n\r\n".to_vec();
        for bytes in [endless_line, endless_head, huge_body] {
            assert_eq!(all(&bytes, 4096), Err(Fault::NotRtsp));
        }
        assert_eq!(all(b"HTTP/1.1 400 Bad Request\r\n\r\n", 7), Err(Fault::NotRtsp));
    }
}
