//! Valid inputs, small and varied; mutation does the rest.

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Plain; with one-byte extensions (mid, transport-wide number); with two-byte extensions, a CSRC and padding.
pub(crate) fn rtp() -> Vec<Vec<u8>> {
    vec![
        vec![0x80, 0x60, 0x12, 0x34, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4],
        vec![
            0x90, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9, 0xbe, 0xde, 0, 2, 0x10, b'0', 0x31, 0, 7, 0, 0, 0, 0x10, 0, 0x9d,
            0x01, 0x2a,
        ],
        vec![
            0xb1, 0x61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 5, 0x10, 0, 0, 1, 0x03, 0x02, b'q',
            b'h', 9, 9, 9, 9, 0, 0, 0, 4,
        ],
    ]
}

pub(crate) fn client_messages() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"type":"hello","version":1,"grant":"eyJ"}"#,
        r#"{"type":"publish","req":1,"sdp":"v=0\r\n","lines":[{"mid":"0","source":"camera"},{"mid":"1","source":"microphone"}]}"#,
        r#"{"type":"subscribe","req":2,"sdp":"v=0\r\n"}"#,
        r#"{"type":"assign","lines":[{"mid":"3","track":null,"height_px":720,"priority":"screen"}]}"#,
        r#"{"type":"mute_self","source":"screen_audio","muted":true}"#,
        r#"{"type":"chat","text":"三角形的内角和"}"#,
        r#"{"type":"answer","question":7,"text":null}"#,
        r#"{"type":"waiting_room","on":false}"#,
        r#"{"type":"open"}"#,
        r#"{"type":"ping","req":4294967295}"#,
    ])
}

pub(crate) fn api_bodies() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"login":"wang","password":"correct horse battery staple"}"#,
        r#"{"token":"abc","password":"0123456789"}"#,
        r#"{"name":"小明","classroom":false,"resume":null}"#,
        r#"{"position_ms":18446744073709551615}"#,
        r#"{"parent":"01JD0000000000000000000000","level":"school","name":"第一小学"}"#,
        r#"{"login":"li","name":"李老师","roles":[{"role":"teacher","place":"01JD0000000000000000000000"}]}"#,
        r#"{"title":"三角形","subject":"数学","grade":"四年级","teacher":"01JD0000000000000000000000","place":"01JD0000000000000000000000","mode":"dedicated","starts":1790000000000,"duration_min":40,"repeat":"weekly","until":null,"waiting_room":true,"record":true}"#,
    ])
}
