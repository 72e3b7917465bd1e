//! What a text may be that is to be believed, shown, or used as a name.

/// Names that lead elsewhere, what steers terminals, logins, and what is too long or nothing.
pub(super) fn texts(secret: &str) -> Vec<String> {
    [
        "plain",
        "../outside/x",
        "../..",
        "/etc/piton-was-here",
        ".ssh",
        "f.piton",
        "g",
        "",
        "a\0b",
        "invoice\u{202e}gpj.exe\u{200b}\u{2066}\u{feff}\u{e0041}",
        "\u{1b}]0;owned\u{7}\u{9b}2J\u{1b}[2J\r\n",
        "file:///etc/passwd",
        "http://127.0.0.1:1/",
        "//elsewhere/%2e%2e/%00",
        "{\"a\":[[[[[[[[",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        format!("http://{secret}:{secret}@127.0.0.1:1/x"),
        format!("at \u{202e}http://{secret}:{secret}@host"),
        "long".repeat(20_000),
    ])
    .collect()
}

/// The ends of the ranges of numbers, and what is near them.
pub(super) const NUMBERS: [i64; 12] = [
    1,
    0,
    -1,
    2,
    5,
    255,
    u32::MAX as i64,
    u32::MAX as i64 + 1,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
    1_700_000_000_000,
];
