//! Metalink 4 (RFC 5854) and its predecessor, Metalink 3: files with mirrors, digests and piece digests.
//!
//! One parser reads both, since no element means different things in the two. Namespaces are ignored, and
//! unknown elements are skipped with their content.

use std::io::BufRead;
use std::num::NonZeroU64;

use piton_fetch::digest::{Algorithm, Digest, Pieces};

use super::draft::{self, Draft};
use super::entry::{Ignored, Out, Why, short};
use super::xml::{self, Element, Node, Xml};
use super::{ListError, Parse};
use crate::ItemUrl;
use crate::item_url::{Base, UrlParser};

/// The maximum number of piece digests for one file (guarantee G8): enough for 64 GiB in pieces of 1 MiB.
pub(super) const MAX_PIECES: usize = 1 << 16;

pub(super) struct Parser<R: BufRead> {
    xml: Xml<R>,
    urls: UrlParser,
}

impl<R: BufRead> Parser<R> {
    pub(super) fn new(reader: R, base: Option<Base>) -> Self {
        Parser { xml: Xml::new(reader), urls: UrlParser::new(base) }
    }
}

impl<R: BufRead> Parse for Parser<R> {
    /// Reads one element above or beside the files, or one file.
    fn step(&mut self, out: &mut Out) -> Result<bool, ListError> {
        match self.xml.next()? {
            Node::End => return Ok(false),
            Node::Close => {}
            Node::Open(element) => match (self.xml.depth(), element.name.as_str()) {
                (1, "metalink") | (2, "files") => {}
                (1, _) => return Err(xml::root(&element, "<metalink>")),
                (2 | 3, "file") => {
                    File::of(&element, &mut self.urls).read(&mut self.xml, out)?;
                }
                _ => self.xml.skip()?,
            },
        }
        Ok(true)
    }
}

/// A `file` element that is being read.
struct File<'a> {
    draft: Draft,
    urls: &'a mut UrlParser,
    /// The first error in it; the rest is read to get to its end.
    wrong: Option<(Why, String)>,
}

impl<'a> File<'a> {
    fn of(element: &Element, urls: &'a mut UrlParser) -> File<'a> {
        let mut draft = Draft::new(element.line);
        if let Some(name) = element.attribute("name").filter(|name| !name.is_empty()) {
            draft.out(name);
        }
        File { draft, urls, wrong: None }
    }

    fn read<R: BufRead>(mut self, xml: &mut Xml<R>, out: &mut Out) -> Result<(), ListError> {
        let inside = xml.depth();
        while xml.depth() >= inside {
            let Node::Open(element) = xml.next()? else { continue };
            match element.name.as_str() {
                // What Metalink 3 puts around them.
                "verification" | "resources" => {}
                "size" => {
                    let text = xml.text()?;
                    match draft::size(&text) {
                        Ok(size) => self.draft.size(size),
                        Err(why) => self.fail(why, &text),
                    }
                }
                "hash" => {
                    let text = xml.text()?;
                    self.hash(&element, &text, out);
                }
                "pieces" => self.pieces(&element, xml, out)?,
                "url" => {
                    let text = xml.text()?;
                    self.url(&element, &text, out);
                }
                _ => xml.skip()?,
            }
        }
        match self.wrong {
            Some((why, about)) => out.bad(self.draft.line, why, &about),
            None => out.finish(self.draft),
        }
        Ok(())
    }

    fn fail(&mut self, why: impl Into<Why>, about: &str) {
        self.wrong.get_or_insert_with(|| (why.into(), about.to_owned()));
    }

    fn hash(&mut self, element: &Element, text: &str, out: &mut Out) {
        let Some(algorithm) = algorithm(element, out) else { return };
        let added = Digest::from_hex(algorithm, text)
            .map_err(Why::from)
            .and_then(|digest| self.draft.digest(digest));
        if let Err(why) = added {
            self.fail(why, text);
        }
    }

    fn url(&mut self, element: &Element, text: &str, out: &mut Out) {
        // Metalink 3 lists torrents with the scheme of the place that has the torrent.
        if let Some(kind) = element.attribute("type")
            && !crate::item_url::SCHEMES.contains(&kind)
        {
            return out.ignored(element.line, Ignored::Mirror { scheme: short(kind) });
        }
        if let Err(why) = self.draft.mirror(text, self.urls, priority(element), out) {
            self.fail(why, text);
        }
    }

    fn pieces<R: BufRead>(
        &mut self,
        element: &Element,
        xml: &mut Xml<R>,
        out: &mut Out,
    ) -> Result<(), ListError> {
        let Some(algorithm) = algorithm(element, out) else { return xml.skip() };
        let length = element.attribute("length").and_then(|text| draft::size(text).ok());
        let mut digests = Vec::new();
        let inside = xml.depth();
        while xml.depth() >= inside {
            let Node::Open(hash) = xml.next()? else { continue };
            if hash.name != "hash" {
                xml.skip()?;
                continue;
            }
            let text = xml.text()?;
            // Metalink 3 numbers them.
            let number = hash.attribute("piece").map(str::parse::<usize>);
            if number.is_some_and(|number| number != Ok(digests.len())) {
                self.fail(Why::PiecesForm, "");
            }
            if digests.len() >= MAX_PIECES {
                self.fail(Why::TooMany { what: "pieces", limit: MAX_PIECES }, "");
            }
            match Digest::from_hex(algorithm, &text) {
                Ok(digest) if self.wrong.is_none() => digests.push(digest),
                Ok(_) => {}
                Err(why) => self.fail(why, &text),
            }
        }
        match length.and_then(NonZeroU64::new).map(|length| Pieces::new(length, digests)) {
            Some(Ok(pieces)) => self.draft.pieces(pieces),
            Some(Err(why)) => self.fail(why, ""),
            None => self.fail(Why::PiecesForm, ""),
        }
        Ok(())
    }
}

/// The algorithm in `type`, if piton computes it. There are usually digests by other algorithms, too.
fn algorithm(element: &Element, out: &mut Out) -> Option<Algorithm> {
    let name = element.attribute("type").unwrap_or_default();
    let known = name.parse().ok();
    if known.is_none() {
        out.ignored(element.line, Ignored::Algorithm { name: short(name) });
    }
    known
}

/// `priority` (1 is the best), or the `preference` of Metalink 3 (100 is the best).
fn priority(element: &Element) -> u32 {
    let number = |name| element.attribute(name).and_then(|text| text.parse::<u32>().ok());
    let preferred = || number("preference").map(|preference| 101 - preference.clamp(1, 100));
    number("priority").or_else(preferred).unwrap_or(ItemUrl::UNRANKED).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::properties::{items, messages};
    use super::super::{Format, ListError};
    use crate::Item;

    const FORMAT: Format = Format::Metalink;
    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const SHA1: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    fn v4(files: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n{files}</metalink>\n"
        )
    }

    fn urls(item: &Item) -> Vec<(&str, u32)> {
        item.urls.iter().map(|one| (one.url.as_str(), one.priority)).collect()
    }

    #[test]
    fn version_4() {
        let list = v4(&format!(
            "<published>2009-05-15T12:23:23Z</published><origin dynamic=\"true\">http://h/me</origin>\n\
             <file name=\"a/b &amp; c.iso\">\n<identity><url>no</url></identity><size> 3 </size>\n\
             <hash type=\"sha-1\">{SHA1}</hash><hash type=\"sha-224\">00</hash><hash type=\"md5\">{}</hash>\n\
             <pieces length=\"2\" type=\"md5\"><hash>{MD5}</hash><hash>{MD5}</hash></pieces>\n\
             <pieces length=\"2\" type=\"sha-1\"><hash>{SHA1}</hash><hash>{SHA1}</hash></pieces>\n\
             <url>http://last/</url><url location=\"de\" priority=\"2\">http://two/?a=1&amp;b=2&#x26;c</url>\
             <url priority=\"1\"><![CDATA[http://one/<]]></url><url priority=\"1\">ftp://h/</url>\n\
             <metaurl mediatype=\"torrent\">http://h/x.torrent</metaurl></file>\n\
             <file name=\"two\"><url>http://h/</url></file><file/>",
            MD5.to_uppercase()
        ));
        let found = items(FORMAT, &list);
        let [one, two] = found.as_slice() else { panic!("{:?}", messages(FORMAT, &list)) };
        assert_eq!((one.line, one.out.as_deref(), one.size), (4, Some("a/b & c.iso"), Some(3)));
        let expected =
            [("http://one/%3C", 1), ("http://two/?a=1&b=2&c", 2), ("http://last/", 999_999)];
        assert_eq!(urls(one), expected);
        assert_eq!(one.digests.len(), 2);
        let pieces = one.pieces.as_ref().unwrap();
        assert_eq!((pieces.length().get(), pieces.digests().len()), (2, 2));
        assert_eq!(pieces.digests()[0].to_string(), SHA1);
        assert_eq!(two.line, 11);
        assert_eq!(
            messages(FORMAT, &list),
            [
                "line 6: sha-224 digests are ignored",
                "line 4: ftp mirrors are ignored",
                "line 11: there is no URL to fetch it from"
            ]
        );
    }

    #[test]
    fn version_3() {
        let list = format!(
            "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><generator/><files>\n\
             <file name=\"x\"><size>3</size><verification><hash type=\"md5\">{MD5}</hash>\
             <pieces length=\"2\" type=\"sha1\"><hash piece=\"0\">{SHA1}</hash><hash piece=\"1\">{SHA1}</hash></pieces></verification>\
             <resources maxconnections=\"4\"><url type=\"http\" preference=\"10\">http://b/</url>\
             <url type=\"bittorrent\" preference=\"100\">http://h/x.torrent</url>\
             <url type=\"https\" preference=\"100\">https://a/</url></resources></file></files></metalink>"
        );
        let found = items(FORMAT, &list);
        assert_eq!(urls(&found[0]), [("https://a/", 1), ("http://b/", 91)]);
        assert_eq!(found[0].pieces.as_ref().unwrap().digests().len(), 2);
        assert_eq!(messages(FORMAT, &list), ["line 2: bittorrent mirrors are ignored"]);
    }

    #[test]
    fn a_wrong_file_is_reported_and_the_rest_goes_on() {
        for (inside, message) in [
            ("<url>ftp://h/</url>", "line 3: there is no URL to fetch it from (x)"),
            (
                "<url>h/</url>",
                "line 3: not an absolute URL (http://…), and there is no base URL to complete it (h/)",
            ),
            ("<url>http://u:p@h:x/</url>", "line 3: not a URL: invalid port number (http://h:x/)"),
            (
                "<url>http://h/</url><size>1k</size>",
                "line 3: a size must be a whole number of bytes (1k)",
            ),
            (
                "<url>http://h/</url><hash type='md5'>00</hash>",
                "line 3: md5 has 32 hex digits, got 2 (00)",
            ),
            (
                "<url>http://h/</url><hash type='crc32'>00000000</hash><hash type='crc32'>00000001</hash>",
                "line 3: two different crc32 digests (x)",
            ),
            (
                "<url>http://h/</url><pieces type='crc32'><hash>00000000</hash></pieces>",
                "line 3: the piece digests are malformed",
            ),
            (
                "<url>http://h/</url><pieces type='crc32' length='1'/>",
                "line 3: no digest of a piece",
            ),
            (
                "<url>http://h/</url><pieces type='crc32' length='1'><hash piece='1'>00000000</hash></pieces>",
                "line 3: the piece digests are malformed",
            ),
            (
                "<url>http://h/</url><size>2</size><pieces type='crc32' length='1'><hash>00000000</hash></pieces>",
                "line 3: 1 pieces of 1 bytes do not make a file of 2 bytes (x)",
            ),
        ] {
            let list =
                v4(&format!("<file name='x'>{inside}</file><file><url>http://good/</url></file>"));
            assert_eq!(items(FORMAT, &list).len(), 1, "{inside}");
            let said = messages(FORMAT, &list);
            assert_eq!(said.last().unwrap(), message);
        }
    }

    #[test]
    fn hashes_of_pieces_are_held_up_to_a_number() {
        let many = "<hash>00000000</hash>".repeat(super::MAX_PIECES + 1);
        let list = v4(&format!(
            "<file><url>http://h/</url><pieces type='crc32' length='1'>{many}</pieces></file>"
        ));
        assert_eq!(messages(FORMAT, &list), ["line 3: more than 65536 pieces for one file"]);
    }

    #[test]
    fn what_breaks_the_rules_of_xml_ends_the_list() {
        let good = "<file><url>http://h/</url></file>";
        let lol = "<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>";
        let whole = v4(good);
        for (list, message) in [
            (
                format!("<!DOCTYPE x [{lol}]>{whole}"),
                "line 1: it has a DOCTYPE, which is not supported",
            ),
            (
                v4(&format!("{good}<file name='&b;'/>")),
                "line 3: an attribute has an entity that XML itself does not know",
            ),
            (
                v4(&format!("{good}<file><size>&b;</size></file>")),
                "line 3: it has an entity that XML itself does not know",
            ),
            (
                v4(&format!("{good}{}", "<x>".repeat(100))),
                "line 3: its elements are nested too deeply",
            ),
            (
                v4(&format!("{good}\n<file><url>{}</url></file>", "x".repeat(1 << 20))),
                "line 4: a tag, text or comment in it is longer than 65536 bytes",
            ),
            (
                v4(&format!("{good}<file><url>{}</url></file>", "x&amp;".repeat(1 << 20))),
                "line 3: it contains text that is too long",
            ),
            (
                v4(&format!("{good}<!-- {} -->", "x".repeat(1 << 20))),
                "line 3: a tag, text or comment in it is longer than 65536 bytes",
            ),
            (
                v4(&format!("{good}<file name='{}'/>", "x".repeat(1 << 20))),
                "line 3: a tag, text or comment in it is longer than 65536 bytes",
            ),
            (
                v4(&format!("{good}<file{}/>", " a='1'".repeat(1000))),
                "line 3: an element has too many attributes",
            ),
            (v4(&format!("{good}<file a=b/>")), "line 3: it has a malformed attribute"),
            (whole.replace("</metalink>\n", ""), "line 3: it is cut off"),
            (
                whole.replace("</metalink>", "</x>"),
                "line 3: ill-formed document: expected `</metalink>`, but `</x>` was found",
            ),
            (
                "<html><body/></html>".to_owned(),
                "line 1: the root element is <html>, expected <metalink>",
            ),
        ] {
            let said = messages(FORMAT, &list);
            assert_eq!(said, [message], "{}", &list[..list.len().min(200)]);
            let before = usize::from(list.contains(good) && !list.starts_with("<!"));
            assert_eq!(items(FORMAT, &list).len(), before);
        }
        let odd = [v4(good).as_bytes(), b"\xff"].concat();
        let entries = FORMAT.entries(std::io::Cursor::new(odd), None, "");
        assert!(matches!(entries.last(), Some(Err(ListError::Xml { .. }))));
    }
}
