//! The sheet to print and sign: `说明.html`, A4, in Chinese, for people who have the file on a disk and a question about it.

use super::{
    format::{Event, EventKind, Manifest, stream_name},
    plan::PlannedCamera,
    report::{fingerprint, local, offset_words},
    zip::Written,
};
use crate::camera::CameraMeta;
use lectern_media::{CameraStream, UnixMillis};
use lectern_protocol::api::GapCause;
use std::fmt::Write as _;

/// The most gaps of a camera that are printed; all are in `events.jsonl`.
const GAPS_MAX: usize = 200;

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn cause(cause: GapCause) -> &'static str {
    match cause {
        GapCause::Restart => "录像服务重启",
        GapCause::Loss => "网络丢包",
        GapCause::Disk => "磁盘故障或写满",
        GapCause::Overload => "处理不及",
        GapCause::Reconnect => "重新连接",
        GapCause::Muted => "静音",
        GapCause::CameraSilent => "摄像机无数据",
        GapCause::Network => "网络中断",
        GapCause::Operator => "人工停止",
        GapCause::RateExceeded => "码率超限",
    }
}

fn stream(stream: Option<CameraStream>) -> &'static str {
    match stream {
        None => "全部",
        Some(CameraStream::Main) => "主码流",
        Some(CameraStream::Sub) => "子码流",
        Some(CameraStream::Sound) => "声音",
    }
}

/// A camera's name, code and place, as two cells.
fn named(meta: &CameraMeta) -> String {
    let code = meta.code.as_deref().map(|code| format!("<br>{}", escape(code))).unwrap_or_default();
    let place: Vec<&str> = meta.places.iter().map(|p| p.name.as_str()).collect();
    let place = if place.is_empty() { meta.place_name.clone() } else { place.join(" / ") };
    format!("<td>{}{code}</td><td>{}</td>", escape(&meta.name), escape(&place))
}

/// Outside of which moments nothing of a camera is in the file.
fn limits(from: Option<String>, to: Option<String>) -> String {
    match (from, to) {
        (None, None) => String::new(),
        (Some(from), None) => format!("<br>（只含 {from} 之后的内容）"),
        (None, Some(to)) => format!("<br>（只含 {to} 之前的内容）"),
        (Some(from), Some(to)) => format!("<br>（只含 {from} 至 {to} 的内容）"),
    }
}

const STYLE: &str = "@page{size:A4;margin:16mm 14mm}body{font:10.5pt/1.5 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei',sans-serif;\
color:#000;max-width:182mm;margin:0 auto}h1{font-size:18pt;text-align:center;margin:0 0 6mm}h2{font-size:12pt;margin:6mm 0 2mm;\
border-bottom:1px solid #000;break-after:avoid}table{border-collapse:collapse;width:100%;margin:2mm 0}th,td{border:1px solid #888;\
padding:1mm 2mm;text-align:left;vertical-align:top}th{background:#f0f0f0;font-weight:600;white-space:nowrap}tr{break-inside:avoid}\
.h{font-family:'Noto Sans Mono CJK SC',monospace;font-size:8pt;word-break:break-all}.sign td{height:16mm;width:50%}";

/// The sheet.
pub(super) fn html(manifest: &Manifest, cameras: &[PlannedCamera], written: &[Written], key_id: &str) -> String {
    let at = |ms: UnixMillis| local(ms, manifest.utc_offset_s);
    let mut out = String::with_capacity(32 << 10);
    let _ = write!(
        out,
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>电子证据说明</title><style>{STYLE}</style></head><body>\
         <h1>巡查录像电子证据说明</h1><table>"
    );
    let mut row = |name: &str, value: &str| {
        let _ = write!(out, "<tr><th>{name}</th><td>{value}</td></tr>");
    };
    row("导出时间", &format!("{}（{}）", at(manifest.made), offset_words(manifest.utc_offset_s)));
    row("导出人", &escape(&format!("{}（账号 {}，{}）", manifest.by.name, manifest.by.login, manifest.by.place)));
    row("导出事由", &escape(&manifest.reason));
    row("时间范围", &format!("{} 至 {}", at(manifest.from), at(manifest.to)));
    row("导出服务器", &escape(&format!("{}（Lectern {}）", manifest.server, manifest.version)));
    row("摄像机数", &cameras.len().to_string());
    out.push_str("</table>");
    out.push_str(
        "<p>本文件为未压缩的 ZIP 容器。画面和声音是录像服务收到的原始编码数据（未重新编码），按时间顺序以 SHA-256 逐段链接，\
         链头每秒由录像服务的私钥签名一次（Ed25519）。签名自录像服务收到数据时开始；摄像机本身不签名。为使链完整，\
         内容向前取到所需的关键画面、向后取到下一次签名，并含摄像机的全部码流；注明“只含”某段时间的，段外内容属于其他单位，\
         不在本文件内，起自段内第一个关键画面，止于段内最后一次签名。</p>",
    );

    out.push_str("<h2>一、内容</h2><table><tr><th>摄像机</th><th>位置</th><th>录像段</th><th>链记录</th></tr>");
    for c in cameras {
        let limits = c.within.map(|b| limits(b.from.map(at), b.to.map(at))).unwrap_or_default();
        if c.recordings.is_empty() {
            let cells = named(&c.meta);
            let _ = write!(out, "<tr>{cells}<td colspan=2>范围内无录像{limits}</td></tr>");
        }
        for r in &c.recordings {
            let e = &r.excerpt;
            // As the recording's own header tells: the camera may have been moved.
            let _ = write!(
                out,
                "<tr>{}<td>{}<br>至 {}{limits}</td><td>第 {} 至 {} 条</td></tr>",
                named(&r.meta),
                at(e.from),
                at(e.to),
                e.first_record + 1,
                e.first_record + e.records
            );
        }
    }
    out.push_str("</table>");

    out.push_str("<h2>二、缺失及原因</h2>");
    table(&mut out, &["摄像机", "码流", "起", "止", "原因"], cameras, |c| {
        let gap = |e: &Event| match &e.what {
            EventKind::Gap { to, cause: why, .. } => {
                Some(vec![stream(e.stream).into(), at(e.at), at(*to), cause(*why).into()])
            }
            EventKind::ClockOffset { .. } => None,
        };
        c.events.iter().filter_map(gap).collect()
    });

    out.push_str(
        "<h2>三、摄像机时钟与录像服务时钟之差</h2><p>正值表示摄像机时钟超前。画面中叠加的时间以摄像机时钟为准，本说明所列时间以录像服务时钟为准。</p>",
    );
    table(&mut out, &["摄像机", "测量次数", "首次", "末次", "最小 / 最大（毫秒）"], cameras, |c| {
        let offset = |e: &Event| match e.what {
            EventKind::ClockOffset { offset_ms } => Some((e.at, offset_ms)),
            EventKind::Gap { .. } => None,
        };
        let offsets: Vec<(UnixMillis, i64)> = c.events.iter().filter_map(offset).collect();
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Vec::new() };
        let (low, high) = (offsets.iter().map(|o| o.1).min(), offsets.iter().map(|o| o.1).max());
        let one = |o: &(UnixMillis, i64)| format!("{}<br>{:+} 毫秒", at(o.0), o.1);
        let range = format!("{:+} / {:+}", low.unwrap_or(0), high.unwrap_or(0));
        vec![vec![offsets.len().to_string(), one(first), one(last), range]]
    });

    out.push_str("<h2>四、校验值</h2><table><tr><th>项目</th><th>SHA-256</th></tr>");
    for w in written.iter().filter(|w| !w.member.name.contains('/')) {
        let _ = write!(out, "<tr><td>{}</td><td class=h>{}</td></tr>", escape(&w.member.name), hex::encode(w.sha256));
    }
    for c in cameras {
        for r in &c.recordings {
            let name = escape(&r.meta.name);
            let signed = at(r.excerpt.signed);
            let _ =
                write!(out, "<tr><td>{name}<br>{signed} 的链头</td><td class=h>{}</td></tr>", escape(&r.excerpt.head));
        }
    }
    out.push_str("</table><table><tr><th>签名公钥</th><th>指纹（公钥的 SHA-256）</th></tr>");
    for key in &manifest.keys {
        let public = crate::chain::parse_hash(&key.public);
        let shown = public.map(|p| fingerprint(&p)).unwrap_or_default();
        let here = if key.id == key_id { "（签署本文件）" } else { "" };
        let _ = write!(out, "<tr><td class=h>{}{here}</td><td class=h>{shown}</td></tr>", escape(&key.public));
    }
    out.push_str("</table>");

    let _ = write!(
        out,
        "<h2>五、如何核验</h2><p>在任何一台装有 Lectern 的计算机上运行（不需联网，不需服务器）：</p>\
         <p class=h>lectern evidence verify 文件名.zip --key 公钥</p>\
         <p>公钥应从录像服务的运行单位另行取得，不应只取自本文件。结果为 AUTHENTIC 即未被改动；否则列出哪台摄像机、哪个码流、哪一秒有何不符。\
         也可用随附的独立程序 verify-evidence.py（Python 3）核验，或按 evidence-format.md 自行编写。\
         各码流的 mp4 文件可直接播放（{}、{}、{}）。</p>",
        stream_name(CameraStream::Main),
        stream_name(CameraStream::Sub),
        stream_name(CameraStream::Sound)
    );
    out.push_str(
        "<h2>六、签字</h2><table class=sign><tr><td>导出人：</td><td>日期：</td></tr><tr><td>见证人：</td><td>日期：</td></tr></table></body></html>\n",
    );
    out
}

/// A table with rows of each camera; says so if there are none, and how many are left out.
fn table(
    out: &mut String,
    heads: &[&str],
    cameras: &[PlannedCamera],
    rows: impl Fn(&PlannedCamera) -> Vec<Vec<String>>,
) {
    let mut body = String::new();
    for c in cameras {
        let rows = rows(c);
        for cells in rows.iter().take(GAPS_MAX) {
            let _ = write!(body, "<tr><td>{}</td><td>{}</td></tr>", escape(&c.meta.name), cells.join("</td><td>"));
        }
        if rows.len() > GAPS_MAX {
            let more = rows.len() - GAPS_MAX;
            let _ = write!(
                body,
                "<tr><td>{}</td><td colspan={}>另有 {more} 项，见 events.jsonl</td></tr>",
                escape(&c.meta.name),
                heads.len() - 1
            );
        }
    }
    if body.is_empty() {
        out.push_str("<p>无。</p>");
    } else {
        let _ = write!(out, "<table><tr><th>{}</th></tr>{body}</table>", heads.join("</th><th>"));
    }
}
