//! What has to be known of an H.264 clip to put slices of our own into its pictures: sizes of header fields from the
//! parameter sets, and the numbers of a slice header. Only what x264 writes without interlace and weights; of B-frames
//! those that no other picture refers to.

use super::bits::{BitReader, rbsp};
use anyhow::{Context, Result, ensure};

/// NAL unit types (H.264 table 7-1).
pub const NAL_IDR: u8 = 5;
/// Sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// Picture parameter set.
pub const NAL_PPS: u8 = 8;

/// Field sizes and settings of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// Width in macroblocks.
    pub mb_width: u32,
    /// Height in macroblocks.
    pub mb_height: u32,
    frame_num_bits: u32,
    /// Bits of `pic_order_cnt_lsb`; none if the order is that of the stream.
    poc_bits: Option<u32>,
    poc_of_both_fields: bool,
    init_qp: i32,
}

/// The numbers by which slices belong to one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceHead {
    /// The NAL unit's first byte.
    pub nal_header: u8,
    /// First macroblock.
    pub first_mb: u32,
    frame_num: u32,
    idr_pic_id: u32,
    poc_lsb: u32,
}

impl SliceHead {
    /// Whether it is of an IDR picture.
    #[must_use]
    pub fn is_idr(self) -> bool {
        self.nal_header & 0x1f == NAL_IDR
    }

    /// Whether other pictures may refer to it (§7.4.1, `nal_ref_idc`).
    #[must_use]
    pub fn is_reference(self) -> bool {
        self.nal_header & 0x60 != 0
    }

    /// What distinguishes one IDR picture from the next.
    #[must_use]
    pub fn idr_pic_id(self) -> u32 {
        self.idr_pic_id
    }
}

/// The kind of a slice that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceKind {
    /// Predicted from the picture before, so that macroblocks can be skipped.
    P,
    /// Intra only.
    I,
}

impl Params {
    /// Reads both parameter sets.
    ///
    /// # Errors
    /// If they use what slices of ours could not go with.
    pub fn read(sps: &[u8], pps: &[u8]) -> Result<Self> {
        let (sps, pps) = (rbsp(&sps[1..], 256), rbsp(&pps[1..], 256));
        Self::read_sps(&sps).context("the SPS is cut off")?.read_pps(&pps)
    }

    fn read_sps(sps: &[u8]) -> Option<Self> {
        let mut r = BitReader::new(sps);
        let profile = r.bits(8)?;
        r.bits(16)?;
        r.ue()?; // seq_parameter_set_id
        if profile == 100 {
            r.ue()?; // chroma_format_idc: 1, as asked for
            r.ue()?;
            r.ue()?;
            r.bits(2)?; // bypass; no scaling matrix
        }
        let frame_num_bits = r.ue()? + 4;
        let poc_type = r.ue()?;
        let poc_bits = if poc_type == 0 { Some(r.ue()? + 4) } else { None };
        r.ue()?; // max_num_ref_frames
        r.bits(1)?;
        let (mb_width, mb_height) = (r.ue()? + 1, r.ue()? + 1);
        Some(Self { mb_width, mb_height, frame_num_bits, poc_bits, poc_of_both_fields: false, init_qp: 26 })
    }

    fn read_pps(mut self, pps: &[u8]) -> Result<Self> {
        let mut r = BitReader::new(pps);
        let mut read = || {
            r.ue()?;
            r.ue()?;
            let cabac = r.flag()?;
            self.poc_of_both_fields = r.flag()?;
            let groups = r.ue()?;
            r.ue()?;
            r.ue()?;
            let weighted = r.flag()?;
            r.bits(2)?;
            self.init_qp = 26 + r.se()?;
            r.se()?;
            r.se()?;
            Some((cabac, groups, weighted, r.flag()?))
        };
        let (cabac, groups, weighted, deblocking) = read().context("the PPS is cut off")?;
        ensure!(!cabac && groups == 0 && !weighted, "our slices are CAVLC, in one group, without weights");
        ensure!(deblocking, "our slices have to turn the deblocking filter off");
        Ok(self)
    }

    /// Reads the head of a slice.
    pub fn slice(&self, nal: &[u8]) -> Option<SliceHead> {
        let head = rbsp(nal.get(1..)?, 32);
        let mut r = BitReader::new(&head);
        let first_mb = r.ue()?;
        r.ue()?;
        r.ue()?;
        let frame_num = r.bits(self.frame_num_bits)?;
        let idr_pic_id = if nal[0] & 0x1f == NAL_IDR { r.ue()? } else { 0 };
        let poc_lsb = self.poc_bits.map_or(Some(0), |bits| r.bits(bits))?;
        Some(SliceHead { nal_header: nal[0], first_mb, frame_num, idr_pic_id, poc_lsb })
    }

    /// Writes a slice header (§7.3.3) for a slice that belongs to the picture of `head`.
    pub fn write_slice(
        &self,
        w: &mut super::bits::BitWriter,
        head: SliceHead,
        kind: SliceKind,
        first_mb: u32,
        qp: i32,
    ) {
        w.ue(first_mb);
        w.ue(if kind == SliceKind::P { 0 } else { 2 });
        w.ue(0); // the only PPS
        w.bits(head.frame_num, self.frame_num_bits);
        if head.is_idr() {
            w.ue(head.idr_pic_id);
        }
        if let Some(bits) = self.poc_bits {
            w.bits(head.poc_lsb, bits);
            if self.poc_of_both_fields {
                w.se(0);
            }
        }
        if kind == SliceKind::P {
            w.bits(0, 1); // num_ref_idx_active_override_flag
            w.bits(0, 1); // ref_pic_list_modification_flag_l0
        }
        if head.nal_header >> 5 & 3 != 0 {
            w.bits(0, if head.is_idr() { 2 } else { 1 }); // no marking of reference pictures but the usual
        }
        w.se(qp - self.init_qp);
        w.ue(1); // no deblocking filter
    }
}
