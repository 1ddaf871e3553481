//! The builder: appends packets to a compound in the caller's buffer, never past its end.

use super::{kind, parse::SenderInfo};
use lectern_media::Ssrc;

/// A report block (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: Ssrc,
    /// The fraction lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start; 24 bits on the wire, negative if duplicates outnumber losses.
    pub cumulative_lost: i32,
    /// The highest sequence number received, with its cycles above the low 16 bits.
    pub highest_seq: u32,
    /// Interarrival jitter in ticks of the stream's clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report; 0 if none came.
    pub last_sr: u32,
    /// The delay since that report in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// The caller's buffer has no room for the packet; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the RTCP buffer is full")]
pub struct BufferFull;

/// Builds one compound packet. Nothing is allocated; what does not fit is refused whole.
#[derive(Debug)]
pub struct Builder<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> Builder<'a> {
    /// Begins a compound in `buf`.
    #[must_use]
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    /// How many bytes are written.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.len
    }

    /// How many bytes are still free.
    #[must_use]
    pub const fn room_bytes(&self) -> usize {
        self.buf.len() - self.len
    }

    /// What is written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buf[..self.len]
    }

    /// A sender report with at most 31 blocks (more are left out).
    ///
    /// # Errors
    /// [`BufferFull`].
    pub fn sender_report(&mut self, info: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), BufferFull> {
        let blocks = &blocks[..blocks.len().min(31)];
        let p = self.packet(kind::SR, blocks.len() as u8, 24 + 24 * blocks.len())?;
        put32(p, 0, info.ssrc.0);
        put32(p, 4, (info.ntp.0 >> 32) as u32);
        put32(p, 8, info.ntp.0 as u32);
        put32(p, 12, info.rtp_timestamp);
        put32(p, 16, info.packets);
        put32(p, 20, info.bytes);
        put_blocks(&mut p[24..], blocks);
        Ok(())
    }

    /// A receiver report of `sender` with at most 31 blocks (more are left out).
    ///
    /// # Errors
    /// [`BufferFull`].
    pub fn receiver_report(&mut self, sender: Ssrc, blocks: &[ReportBlock]) -> Result<(), BufferFull> {
        let blocks = &blocks[..blocks.len().min(31)];
        let p = self.packet(kind::RR, blocks.len() as u8, 4 + 24 * blocks.len())?;
        put32(p, 0, sender.0);
        put_blocks(&mut p[4..], blocks);
        Ok(())
    }

    /// A generic NACK for `lost`, which is ascending (modulo 2^16); consecutive losses share entries (RFC 4585 §6.2.1).
    ///
    /// # Errors
    /// [`BufferFull`].
    pub fn nack(&mut self, sender: Ssrc, media: Ssrc, lost: &[u16]) -> Result<(), BufferFull> {
        let entries = || Entries { lost };
        let n = entries().count();
        if n == 0 {
            return Ok(());
        }
        let p = self.packet(kind::RTPFB, 1, 8 + 4 * n)?;
        put32(p, 0, sender.0);
        put32(p, 4, media.0);
        for (e, (pid, blp)) in p[8..].chunks_exact_mut(4).zip(entries()) {
            e[..2].copy_from_slice(&pid.to_be_bytes());
            e[2..].copy_from_slice(&blp.to_be_bytes());
        }
        Ok(())
    }

    /// A picture loss indication.
    ///
    /// # Errors
    /// [`BufferFull`].
    pub fn pli(&mut self, sender: Ssrc, media: Ssrc) -> Result<(), BufferFull> {
        let p = self.packet(kind::PSFB, 1, 8)?;
        put32(p, 0, sender.0);
        put32(p, 4, media.0);
        Ok(())
    }

    /// A full intra request with the running number `seq`.
    ///
    /// # Errors
    /// [`BufferFull`].
    pub fn fir(&mut self, sender: Ssrc, media: Ssrc, seq: u8) -> Result<(), BufferFull> {
        let p = self.packet(kind::PSFB, 4, 16)?;
        p.fill(0);
        put32(p, 0, sender.0);
        put32(p, 8, media.0);
        p[12] = seq;
        Ok(())
    }

    /// Transport-wide feedback whose body (from the base sequence number on) `write` fills; it returns the body's length,
    /// a multiple of four, or `None` if there is nothing to report.
    pub(crate) fn transport_cc(
        &mut self,
        sender: Ssrc,
        media: Ssrc,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<bool, BufferFull> {
        let room = self.buf.len() - self.len;
        if room < 12 + 12 {
            return Err(BufferFull);
        }
        let at = self.len;
        let Some(body) = write(&mut self.buf[at + 12..]) else { return Ok(false) };
        let p = self.packet(kind::RTPFB, 15, 8 + body)?;
        put32(p, 0, sender.0);
        put32(p, 4, media.0);
        Ok(true)
    }

    /// Appends a common header for a body of `body_len` bytes (a multiple of four) and returns the body.
    fn packet(&mut self, kind: u8, format: u8, body_len: usize) -> Result<&mut [u8], BufferFull> {
        debug_assert!(body_len.is_multiple_of(4), "RTCP packets are whole words");
        let end = self.len + 4 + body_len;
        let p = self.buf.get_mut(self.len..end).ok_or(BufferFull)?;
        self.len = end;
        p[0] = 0x80 | format;
        p[1] = kind;
        // RFC 3550 §6.4.1: the length in 32-bit words less one, header included.
        p[2..4].copy_from_slice(&((body_len / 4) as u16).to_be_bytes());
        Ok(&mut p[4..])
    }
}

/// The (PID, BLP) entries that cover an ascending list of losses.
struct Entries<'a> {
    lost: &'a [u16],
}

impl Iterator for Entries<'_> {
    type Item = (u16, u16);

    fn next(&mut self) -> Option<(u16, u16)> {
        let (&pid, mut rest) = self.lost.split_first()?;
        let mut blp = 0;
        while let Some((&seq, tail)) = rest.split_first() {
            let bit = seq.wrapping_sub(pid).wrapping_sub(1);
            if bit >= 16 {
                break;
            }
            blp |= 1 << bit;
            rest = tail;
        }
        self.lost = rest;
        Some((pid, blp))
    }
}

fn put32(b: &mut [u8], at: usize, v: u32) {
    b[at..at + 4].copy_from_slice(&v.to_be_bytes());
}

fn put_blocks(out: &mut [u8], blocks: &[ReportBlock]) {
    for (b, r) in out.chunks_exact_mut(24).zip(blocks) {
        put32(b, 0, r.ssrc.0);
        let lost = r.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        put32(b, 4, u32::from(r.fraction_lost) << 24 | lost);
        put32(b, 8, r.highest_seq);
        put32(b, 12, r.jitter);
        put32(b, 16, r.last_sr);
        put32(b, 20, r.delay_since_last_sr);
    }
}
