//! The format parameters of a session description (`a=fmtp`, RFC 8866 §6.15): what a depacketizer must know, and what it
//! would not understand.
//!
//! Does not belong here: the rest of SDP.

use base64::{Engine as _, engine::general_purpose};
use bytes::Bytes;
use lectern_media::Codec;

/// The most bytes of parameters that are read.
pub const FMTP_BYTES_MAX: usize = 16 << 10;

/// Why packets with these parameters can't be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FmtpRefusal {
    /// More than [`FMTP_BYTES_MAX`].
    #[error("the format parameters are too long")]
    TooLong,
    /// H.264 in interleaved mode (RFC 6184 §6.4).
    #[error("H.264 packets are interleaved (packetization-mode=2)")]
    Interleaved,
    /// H.265 in another order than decoding order (RFC 7798 §4.3).
    #[error("H.265 packets come in another order than decoding order (sprop-max-don-diff)")]
    DecodingOrder,
    /// AAC in another mode than AAC-hbr, or with other AU headers (RFC 3640 §3.3.6).
    #[error("AAC comes in another mode than AAC-hbr")]
    AacMode,
    /// The parameter sets are no base64, or the configuration is no hexadecimal.
    #[error("the parameter sets or the configuration cannot be read")]
    Unreadable,
    /// The configuration is missing or is not AAC-LC.
    #[error("the sound is not AAC-LC, or its configuration is missing")]
    NotAacLc,
}

/// Reads the parameters behind the payload type of an `a=fmtp` line and gives what `TapEvent::Parameters` carries: parameter
/// sets of H.264 and H.265, each behind its length in two bytes, the AudioSpecificConfig of AAC, nothing for others.
///
/// # Errors
/// [`FmtpRefusal`].
pub fn config(codec: Codec, parameters: &str) -> Result<Bytes, FmtpRefusal> {
    if parameters.len() > FMTP_BYTES_MAX {
        return Err(FmtpRefusal::TooLong);
    }
    let get = |name: &str| {
        let mut pairs = parameters.split(';').filter_map(|p| p.trim().split_once('='));
        pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    match codec {
        Codec::H264 if get("packetization-mode") == Some("2") => Err(FmtpRefusal::Interleaved),
        Codec::H264 => sets(&[get("sprop-parameter-sets")]),
        Codec::H265 if get("sprop-max-don-diff").is_some_and(|v| v != "0") => Err(FmtpRefusal::DecodingOrder),
        Codec::H265 => sets(&[get("sprop-vps"), get("sprop-sps"), get("sprop-pps")]),
        Codec::Aac => {
            // Cameras leave the fields out now and then; what they do tell must be what AAC-hbr means.
            let is = |name: &str, wanted: &str| get(name).is_none_or(|v| v.eq_ignore_ascii_case(wanted));
            let sizes = is("sizelength", "13") && is("indexlength", "3") && is("indexdeltalength", "3");
            if !is("mode", "AAC-hbr") || !sizes {
                return Err(FmtpRefusal::AacMode);
            }
            let specific = hex(get("config").ok_or(FmtpRefusal::NotAacLc)?).ok_or(FmtpRefusal::Unreadable)?;
            crate::config::AacConfig::new(&specific).map(|c| c.specific).ok_or(FmtpRefusal::NotAacLc)
        }
        _ => Ok(Bytes::new()),
    }
}

fn sets(values: &[Option<&str>]) -> Result<Bytes, FmtpRefusal> {
    let mut out = Vec::new();
    for set in values.iter().flatten().flat_map(|v| v.split(',')).map(str::trim).filter(|s| !s.is_empty()) {
        // Some cameras leave the padding out.
        let bare = set.trim_end_matches('=');
        let set = general_purpose::STANDARD_NO_PAD.decode(bare).map_err(|_| FmtpRefusal::Unreadable)?;
        out.extend((u16::try_from(set.len()).map_err(|_| FmtpRefusal::Unreadable)?).to_be_bytes());
        out.extend(set);
    }
    Ok(out.into())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<Vec<u8>>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(|d| d[0] << 4 | d[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_is_told_and_refuses_by_name() {
        type Case = (Codec, &'static str, Result<&'static [u8], FmtpRefusal>);
        let aac = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3";
        let with_config = format!("{aac};config=1408");
        // (codec, parameters, what comes of them)
        let cases: &[Case] = &[
            (
                Codec::H264,
                "packetization-mode=1; sprop-parameter-sets=Z0IA,aM48gA==; profile-level-id=42C01F",
                Ok(&[0, 3, 0x67, 0x42, 0, 0, 4, 0x68, 0xce, 0x3c, 0x80]),
            ),
            (Codec::H264, "packetization-mode=1", Ok(&[])),
            (Codec::H264, "packetization-mode=2", Err(FmtpRefusal::Interleaved)),
            (Codec::H264, "sprop-parameter-sets=?", Err(FmtpRefusal::Unreadable)),
            (
                Codec::H265,
                "sprop-vps=QAEM;sprop-pps=RAHB;sprop-max-don-diff=0",
                Ok(&[0, 3, 64, 1, 12, 0, 3, 68, 1, 193]),
            ),
            (Codec::H265, "sprop-max-don-diff=2", Err(FmtpRefusal::DecodingOrder)),
            (Codec::Aac, "config=1408; SizeLength=13", Ok(&[0x14, 8])),
            (Codec::Aac, "mode=AAC-lbr;config=1408", Err(FmtpRefusal::AacMode)),
            (Codec::Aac, "mode=AAC-hbr", Err(FmtpRefusal::NotAacLc)),
            (Codec::Aac, "config=2b8a0800", Err(FmtpRefusal::NotAacLc)),
            (Codec::Aac, "config=140", Err(FmtpRefusal::Unreadable)),
            (Codec::Pcma, "", Ok(&[])),
        ];
        for (codec, parameters, want) in cases {
            assert_eq!(config(*codec, parameters).as_deref().map_err(|e| *e), want.map_err(|e| e), "{parameters}");
        }
        assert_eq!(config(Codec::Aac, &with_config).as_deref(), Ok(&[0x14u8, 8][..]));
    }
}
