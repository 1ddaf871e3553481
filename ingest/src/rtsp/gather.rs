//! Letting what comes over TCP gather while nobody watches: waking for each of a hundred small packets a second costs more
//! than all that is done with them. The kernel wakes us for what is much ([`LOW_WATER_BYTES`]); what is little is taken at the next
//! beat, which all cameras have in common, so that the process wakes once for all.
//!
//! Does not belong here: when nobody watches (`camera`), what the bytes mean (`wire`).

use super::wire::Reader;
use crate::fault::Fault;
use socket2::SockRef;
use std::{
    io,
    os::fd::AsRawFd,
    sync::OnceLock,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// From one beat to the next: what is received is told to be younger by up to this much.
const BEAT: Duration = Duration::from_millis(20);

/// So much is taken at once: more than a picture of 4 Mbit/s, a quarter of what the kernel holds for us at least.
const LOW_WATER_BYTES: libc::c_int = 32 * 1024;

/// The most reads in one go before others get their turn.
const READS_MAX: usize = 8;

/// The first beat after `now`.
pub(crate) fn next_beat(now: Instant) -> Instant {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let first = *FIRST.get_or_init(|| now);
    let beats = now.saturating_duration_since(first).as_nanos() / BEAT.as_nanos() + 1;
    first + BEAT * u32::try_from(beats).unwrap_or(u32::MAX)
}

/// Whether the kernel lets what comes gather (socket(7), `SO_RCVLOWAT`). One that can't wakes us for everything.
pub(super) fn set(stream: &TcpStream, gather: bool) {
    let bytes = if gather { LOW_WATER_BYTES } else { 1 };
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `bytes` lives through the call and `len` is its size.
    let _ = unsafe {
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVLOWAT, (&raw const bytes).cast(), len)
    };
}

/// Takes what is there, without waiting.
pub(super) fn take(stream: &TcpStream, reader: &mut Reader) -> Result<(), Fault> {
    let socket = SockRef::from(stream);
    for _ in 0..READS_MAX {
        let buf = reader.buffer();
        let room = buf.spare_capacity_mut();
        let whole = room.len();
        match socket.recv(room) {
            Ok(0) => return Err(Fault::Closed),
            Ok(n) => {
                // SAFETY: the kernel filled the first `n` bytes of the room behind the length.
                unsafe { buf.set_len(buf.len() + n) };
                if n < whole {
                    return Ok(());
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Fault::Reset),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_are_the_same_for_all_and_always_ahead() {
        let now = Instant::now();
        let beat = next_beat(now);
        assert!(beat > now && beat <= now + BEAT);
        assert_eq!(next_beat(beat - Duration::from_nanos(1)), beat);
        assert_eq!(next_beat(beat), beat + BEAT);
    }
}
