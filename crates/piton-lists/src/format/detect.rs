//! Detects the format of a list.

use piton_fetch::parse::checksum_file::{ChecksumLine, ChecksumLines};

use super::Format;

/// The format of a list, from its name (a path or a URL) or else from its first bytes, after decompression:
/// a few KiB are enough. The fallback is [`Format::Lines`].
pub fn detect(name: &str, head: &[u8]) -> Format {
    by_name(name).unwrap_or_else(|| by_content(name, head))
}

fn by_name(name: &str) -> Option<Format> {
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("meta4" | "metalink") => Some(Format::Metalink),
        Some("csv") => Some(Format::Csv),
        Some("tsv" | "tab") => Some(Format::Tsv),
        Some("jsonl" | "ndjson") => Some(Format::JsonLines),
        Some("md5" | "sha1" | "sha256" | "sha512" | "b3" | "blake3") => Some(Format::Checksums),
        _ if name.trim_end_matches(".txt").ends_with("sums") => Some(Format::Checksums),
        _ => None,
    }
}

fn by_content(name: &str, head: &[u8]) -> Format {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') {
        // Comments may come first.
        return if text.contains("<metalink") { Format::Metalink } else { Format::Sitemap };
    }
    if text.starts_with(['{', '[']) {
        return Format::JsonLines;
    }
    let is_content = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let first = text.lines().find(is_content).unwrap_or_default();
    for (separator, format) in [('\t', Format::Tsv), (',', Format::Csv)] {
        let is_url = |name: &str| name.trim().trim_matches('"').eq_ignore_ascii_case("url");
        if !first.contains("://") && first.split(separator).any(is_url) {
            return format;
        }
    }
    match ChecksumLines::of(name).parse(first) {
        ChecksumLine::Entry(..) => Format::Checksums,
        _ if first.starts_with("-----BEGIN PGP SIGNED MESSAGE") => Format::Checksums,
        _ => Format::Lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_first() {
        for (name, format) in [
            ("a.meta4", Format::Metalink),
            ("a.metalink.gz", Format::Metalink),
            ("/x.y/A.CSV", Format::Csv),
            ("a.tsv.zst", Format::Tsv),
            ("a.jsonl", Format::JsonLines),
            ("a.ndjson", Format::JsonLines),
            ("SHA256SUMS", Format::Checksums),
            ("https://h/b2sums.txt", Format::Checksums),
            ("x.iso.sha256", Format::Checksums),
            ("list.txt", Format::Lines),
            ("x.csv/list", Format::Lines),
            ("", Format::Lines),
        ] {
            assert_eq!(detect(name, b"http://h/"), format, "{name}");
        }
    }

    #[test]
    fn then_the_first_bytes() {
        let sum = format!("# x\n{}  name\n", "0".repeat(64));
        for (head, format) in [
            ("\u{feff} <?xml?><!-- --><m:x/><metalink", Format::Metalink),
            ("<?xml?><urlset", Format::Sitemap),
            ("<html>", Format::Sitemap),
            ("{\"url\":1}", Format::JsonLines),
            ("# x\n\nout,URL\r\n", Format::Csv),
            ("\"url\"\n", Format::Tsv),
            ("out\turl\n", Format::Tsv),
            (&sum, Format::Checksums),
            ("http://h/?a,url,b\n", Format::Lines),
            ("http://h/?url\n", Format::Lines),
            ("", Format::Lines),
            ("\u{0}\u{1}", Format::Lines),
        ] {
            assert_eq!(detect("list", head.as_bytes()), format, "{head}");
        }
        assert_eq!(detect("list.xml", b"<metalink"), Format::Metalink);
        assert_eq!(detect("list", b"\xff\xfe"), Format::Lines);
    }
}
