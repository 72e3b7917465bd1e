//! Compressed files as the real tools make them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

/// The tools, and the Debian package of each.
const TOOLS: [(&str, &str); 7] = [
    ("gzip", "gzip"),
    ("pigz", "pigz"),
    ("zstd", "zstd"),
    ("bzip2", "bzip2"),
    ("pbzip2", "pbzip2"),
    ("lbzip2", "lbzip2"),
    ("xz", "xz-utils"),
];

/// One way to compress a file.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    /// The most that a resume may decode again, in bytes.
    pub(crate) again: u64,
    make: fn(&[u8]) -> Vec<u8>,
}

impl Form {
    pub(crate) fn made(&self, input: &[u8]) -> Vec<u8> {
        (self.make)(input)
    }
}

/// Whether all tools are here. Otherwise the test is reported as skipped.
pub(crate) fn available() -> bool {
    for (tool, package) in TOOLS {
        let mut help = Command::new(tool);
        help.arg("--help").stdout(Stdio::null()).stderr(Stdio::null());
        if help.status().is_err() {
            piton_testkit::skip(format!("{tool} is missing (package {package})"));
            return false;
        }
    }
    true
}

/// What a tool makes of this input.
pub(crate) fn tool(command: &str, input: &[u8]) -> Vec<u8> {
    let mut words = command.split(' ');
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{command}: {}", output.status);
        output.stdout
    })
}

/// The input in pieces that end anywhere, each compressed alone, one behind the other.
fn pieces(command: &str, input: &[u8], count: usize) -> Vec<u8> {
    let len = input.len().div_ceil(count).max(1);
    input.chunks(len).flat_map(|piece| tool(command, piece)).collect()
}

/// A gzip member with all optional fields in its header (RFC 1952), and a checksum over them.
fn with_all_fields(input: &[u8]) -> Vec<u8> {
    let plain = tool("gzip -6n", input);
    let mut header = vec![0x1f, 0x8b, 8, 0x1f, 1, 2, 3, 4, 0, 3, 5, 0];
    header.extend(b"extra");
    header.extend(b"a name\0a comment\0");
    let crc = crc_of(&header) as u16;
    [&header, &crc.to_le_bytes()[..], &plain[10..]].concat()
}

/// CRC-32, bit by bit: the test does not use what it tests.
pub(crate) fn crc_of(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

/// Frames with skippable ones before, between and behind them.
fn with_skippable_frames(input: &[u8]) -> Vec<u8> {
    let skippable = |len: u32| {
        let head = [&[0x50 + (len % 16) as u8, 0x2a, 0x4d, 0x18], &len.to_le_bytes()[..]].concat();
        [head, vec![0x28; len as usize]].concat()
    };
    let half = input.len() / 2;
    let frame = |part: &[u8]| tool("zstd -q -3", part);
    [skippable(0), frame(&input[..half]), skippable(100_000), frame(&input[half..]), skippable(3)]
        .concat()
}

fn padded(bytes: Vec<u8>, zeros: usize) -> Vec<u8> {
    [bytes, vec![0; zeros]].concat()
}

const GZIP: u64 = 1 << 20;
/// What a bzip2 block of level 9 or 1 holds of text, at most.
const BZIP2: u64 = 900_000;
const BZIP2_1: u64 = 100_000;
/// All of it: there is one frame or block.
const ALL: u64 = u64::MAX;

pub(crate) fn forms() -> Vec<Form> {
    let form = |_codec: &str, name, again, make| Form { name, again, make };
    vec![
        form("gzip", "gzip -6", GZIP, |it| tool("gzip -6", it)),
        form("gzip", "gzip -1", GZIP, |it| tool("gzip -1", it)),
        form("gzip", "gzip -9", GZIP, |it| tool("gzip -9", it)),
        form("gzip", "pigz", GZIP, |it| tool("pigz -n -p 2 -b 128", it)),
        form("gzip", "pigz -0: stored blocks", GZIP, |it| tool("pigz -n -0", it)),
        form("gzip", "pigz -i", GZIP, |it| tool("pigz -n -p 2 -b 128 -i", it)),
        form("gzip", "many members", GZIP, |it| pieces("gzip -6", it, 9)),
        form("gzip", "header fields", GZIP, with_all_fields),
        form("gzip", "zeros behind", GZIP, |it| padded(tool("gzip", it), 70_000)),
        form("zstd", "one frame", ALL, |it| tool("zstd -q -3", it)),
        form("zstd", "long", ALL, |it| tool("zstd -q -3 --long=27", it)),
        form("zstd", "many frames", 1 << 18, |it| pieces("zstd -q -3", it, 20)),
        form("zstd", "skippable frames", ALL, with_skippable_frames),
        form("bzip2", "bzip2 -9", BZIP2, |it| tool("bzip2 -9", it)),
        form("bzip2", "bzip2 -1", BZIP2_1, |it| tool("bzip2 -1", it)),
        form("bzip2", "many streams", BZIP2, |it| pieces("bzip2 -2", it, 7)),
        form("bzip2", "pbzip2", BZIP2, |it| tool("pbzip2 -c -p2 -b3", it)),
        form("bzip2", "lbzip2", BZIP2, |it| tool("lbzip2 -n 2", it)),
        form("xz", "one block", ALL, |it| tool("xz -1 -T1", it)),
        form("xz", "blocks", 100_000, |it| tool("xz -1 -T1 --block-size=100000", it)),
        form("xz", "threads", 100_000, |it| tool("xz -1 -T2 --block-size=100000", it)),
        form("xz", "crc32", 100_000, |it| tool("xz -1 -T1 --check=crc32 --block-size=100000", it)),
        form("xz", "sha256", 100_000, |it| {
            tool("xz -1 -T1 --check=sha256 --block-size=100000", it)
        }),
        form("xz", "filters", 100_000, |it| {
            tool("xz -T1 --block-size=100000 --delta=dist=4 --x86 --lzma2=preset=1", it)
        }),
        form("xz", "streams and padding", ALL, |it| {
            let half = it.len() / 2;
            let blocks = |part| tool("xz -1 -T1 --block-size=100000", part);
            [padded(blocks(&it[..half]), 8), padded(blocks(&it[half..]), 4)].concat()
        }),
    ]
}

/// One or two of each codec, for tests that run many times.
pub(crate) fn few() -> Vec<Form> {
    let names = [
        "gzip -6",
        "many members",
        "one frame",
        "many frames",
        "bzip2 -1",
        "many streams",
        "blocks",
    ];
    forms().into_iter().filter(|form| names.contains(&form.name)).collect()
}
