//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104, transport-cc): a parser that borrows and a builder into the caller's buffer.
//!
//! Not here: what the reports mean ([`crate::ingest`], [`crate::twcc`], [`crate::downtrack`]).

pub mod build;
pub mod parse;

pub use build::{BufferFull, Builder, ReportBlock};
pub use parse::{Compound, Nack, Packet, ReportBlocks, RtcpError, SenderInfo, TransportCc};

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
mod kind {
    pub const SR: u8 = 200;
    pub const RR: u8 = 201;
    pub const SDES: u8 = 202;
    pub const BYE: u8 = 203;
    pub const APP: u8 = 204;
    pub const RTPFB: u8 = 205;
    pub const PSFB: u8 = 206;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NtpTime;
    use lectern_media::{Bitrate, Ssrc};

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: Ssrc(7),
        fraction_lost: 64,
        cumulative_lost: -3,
        highest_seq: 0x1_0005,
        jitter: 90,
        last_sr: 0x1234_5678,
        delay_since_last_sr: 65_536,
    };

    #[test]
    fn what_is_built_is_read_back() {
        let mut buf = [0; 512];
        let mut b = Builder::new(&mut buf);
        let info =
            SenderInfo { ssrc: Ssrc(1), ntp: NtpTime(0xdead_beef_0123_4567), rtp_timestamp: 9, packets: 8, bytes: 7 };
        b.sender_report(&info, &[BLOCK]).unwrap();
        b.receiver_report(Ssrc(2), &[BLOCK, BLOCK]).unwrap();
        b.nack(Ssrc(1), Ssrc(3), &[65_534, 65_535, 2, 14, 15, 400]).unwrap();
        b.pli(Ssrc(1), Ssrc(4)).unwrap();
        b.fir(Ssrc(1), Ssrc(5), 6).unwrap();
        let packets: Vec<_> = Compound::new(b.bytes()).collect::<Result<_, _>>().unwrap();
        let [sr, rr, nack, pli, fir] = packets[..] else { panic!("five packets, got {}", packets.len()) };
        let Packet::SenderReport(got, blocks) = sr else { panic!("{sr:?}") };
        assert_eq!((got, blocks.iter().collect::<Vec<_>>()), (info, vec![BLOCK]));
        let Packet::ReceiverReport(Ssrc(2), blocks) = rr else { panic!("{rr:?}") };
        assert_eq!(blocks.iter().count(), 2);
        let Packet::Nack(nack) = nack else { panic!("{nack:?}") };
        assert_eq!((nack.media, nack.lost().collect::<Vec<_>>()), (Ssrc(3), vec![65_534, 65_535, 2, 14, 15, 400]));
        assert!(matches!(pli, Packet::Pli(Ssrc(4))));
        assert!(matches!(fir, Packet::Fir { media: Ssrc(5), seq: 6 }));
    }

    #[test]
    fn descriptions_and_goodbyes_are_read() {
        let data = [&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 1, b'x', 0][..], &[0x81, 203, 0, 1, 0, 0, 0, 1]].concat();
        let packets: Vec<_> = Compound::new(&data).collect::<Result<_, _>>().unwrap();
        assert!(matches!(packets[..], [Packet::Sdes, Packet::Bye(Ssrc(1))]));
    }

    #[test]
    fn a_packet_that_does_not_fit_is_refused_whole() {
        let mut buf = [0; 40];
        let mut b = Builder::new(&mut buf);
        b.pli(Ssrc(1), Ssrc(2)).unwrap();
        assert_eq!(b.receiver_report(Ssrc(1), &[BLOCK]), Err(BufferFull));
        assert_eq!(b.nack(Ssrc(1), Ssrc(2), &[]), Ok(()), "nothing to say");
        assert_eq!(b.len_bytes(), 12);
    }

    #[test]
    fn malformed_packets_have_named_errors() {
        for (what, data, want) in [
            ("short header", &[0x80, 200, 0][..], RtcpError::Truncated),
            ("longer than the datagram", &[0x80, 201, 0, 9, 0, 0, 0, 1], RtcpError::Truncated),
            ("version 1", &[0x40, 201, 0, 1, 0, 0, 0, 1], RtcpError::Version),
            ("padding beyond the packet", &[0xa0, 201, 0, 1, 0, 0, 0, 9], RtcpError::Padding),
            ("blocks missing", &[0x81, 201, 0, 1, 0, 0, 0, 1], RtcpError::Truncated),
            ("SR without sender info", &[0x80, 200, 0, 1, 0, 0, 0, 1], RtcpError::Truncated),
            ("NACK without entries", &[0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2], RtcpError::Truncated),
            ("FIR without entries", &[0x84, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0], RtcpError::Truncated),
        ] {
            let got = Compound::new(data).next().unwrap();
            assert_eq!(got.unwrap_err(), want, "{what}");
        }
        let mut walk = Compound::new(&[0x80, 201, 0, 1, 0, 0, 0, 1, 0x40, 0, 0, 0]);
        assert!(walk.next().unwrap().is_ok());
        assert!(walk.next().unwrap().is_err());
        assert!(walk.next().is_none(), "after an error the walk ends");
    }

    #[test]
    fn browsers_estimates_are_read() {
        let remb = b"\x8f\xce\0\x05\0\0\0\x01\0\0\0\0REMB\x01\x08\x4a\xbc\0\0\0\x07";
        // Mantissa 0x4abc = 19,132 (18 bits), exponent 2.
        assert!(matches!(Compound::new(remb).next(), Some(Ok(Packet::Remb(r))) if r == Bitrate::bps(19_132 << 2)));
    }
}
