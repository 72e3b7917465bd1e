//! The identity of an item: its content, never its position in the list.

use std::fmt;

use url::{Position, Url};

use crate::Item;
use crate::item::is_credential;

/// Hash of the content of an item: its URLs, name, folder, size, digests, pieces and headers.
///
/// It does not include its line, the order of its mirrors, of its digests or of headers with different
/// names, nor the priority of a mirror. It also does not include who asks: logins in URLs and the values of
/// `Authorization`, `Proxy-Authorization` and `Cookie` are left out, so that a changed password makes no
/// new items, and no hash reveals a password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content([u8; 32]);

/// The key of an item in the ledger: its content, and which of several equal items it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey([u8; 16]);

impl Content {
    /// The content of an item.
    pub fn of(item: &Item) -> Content {
        let mut encoded = Encoder::new();
        encoded.urls(item);
        encoded.optional(item.out.as_deref().map(str::as_bytes));
        encoded.optional(item.dir.as_deref().map(|dir| dir.as_os_str().as_encoded_bytes()));
        encoded.optional(item.size.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
        encoded.digests(item);
        encoded.pieces(item);
        encoded.headers(item);
        Content(blake3::hash(&encoded.bytes).into())
    }

    /// The key of the item with this content that has `occurrence` equal ones before it in the list.
    pub fn key(&self, occurrence: u32) -> ItemKey {
        match occurrence {
            0 => ItemKey(head(self.0)),
            _ => {
                let mut bytes = vec![Encoder::OCCURRENCE];
                bytes.extend_from_slice(&self.0);
                bytes.extend_from_slice(&occurrence.to_le_bytes());
                ItemKey(head(blake3::hash(&bytes).into()))
            }
        }
    }

    /// 64 bits of it that are not part of a key.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.last_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    #[cfg(test)]
    pub(crate) fn numbered(number: u64) -> Content {
        Content(blake3::hash(&number.to_le_bytes()).into())
    }
}

impl ItemKey {
    /// The key of an item that has `occurrence` equal ones before it in the list: [`crate::Occurrences`]
    /// counts them.
    pub fn of(item: &Item, occurrence: u32) -> ItemKey {
        Content::of(item).key(occurrence)
    }

    /// The key as the ledger stores it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for ItemKey {
    fn from(bytes: [u8; 16]) -> Self {
        ItemKey(bytes)
    }
}

impl From<ItemKey> for [u8; 16] {
    fn from(key: ItemKey) -> Self {
        key.0
    }
}

impl fmt::Debug for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ItemKey({self})")
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({}…)", self.key(0))
    }
}

fn head(hash: [u8; 32]) -> [u8; 16] {
    let [head, _] = *hash.as_chunks::<16>().0 else { return [0; 16] };
    head
}

/// Concatenates the parts of an item so that no two items give the same bytes: each part is preceded by its
/// length, each list by its number of parts. Ledgers store hashes of the result: a change makes every item
/// of every list a new one.
struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// The first byte of the encoding of an item, and so its version.
    const ITEM: u8 = 1;
    /// The first byte of the hash input for the key of an item that is not the first of its kind.
    const OCCURRENCE: u8 = 2;

    fn new() -> Encoder {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(Self::ITEM);
        Encoder { bytes }
    }

    /// Seven bits per byte, the lowest first, with the eighth bit set on all but the last (LEB128): fewer
    /// bytes make fewer blocks to hash.
    fn number(&mut self, number: usize) {
        let mut rest = number;
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    fn part(&mut self, part: &[u8]) {
        self.number(part.len());
        self.bytes.extend_from_slice(part);
    }

    fn optional(&mut self, part: Option<&[u8]>) {
        self.number(part.iter().len());
        if let Some(part) = part {
            self.part(part);
        }
    }

    fn urls(&mut self, item: &Item) {
        self.number(item.urls.len());
        if let [only] = item.urls.as_slice() {
            return self.address(&only.url);
        }
        let mut urls: Vec<&Url> = item.urls.iter().map(|one| &one.url).collect();
        urls.sort_unstable_by_key(|url| without_login(url));
        for url in urls {
            self.address(url);
        }
    }

    fn address(&mut self, url: &Url) {
        let (before, after) = without_login(url);
        self.number(before.len().saturating_add(after.len()));
        self.bytes.extend_from_slice(before.as_bytes());
        self.bytes.extend_from_slice(after.as_bytes());
    }

    fn digests(&mut self, item: &Item) {
        let mut digests: Vec<_> = item.digests.iter().collect();
        digests.sort_by_key(|digest| (digest.algorithm().code(), digest.as_bytes()));
        self.number(digests.len());
        for digest in digests {
            self.bytes.push(digest.algorithm().code());
            self.part(digest.as_bytes());
        }
    }

    fn pieces(&mut self, item: &Item) {
        let digests = item.pieces.as_ref().map_or(&[][..], |pieces| pieces.digests());
        self.number(digests.len());
        if let (Some(pieces), [first, ..]) = (&item.pieces, digests) {
            self.part(&pieces.length().get().to_le_bytes());
            self.bytes.push(first.algorithm().code());
            // All are of one algorithm and so of one length.
            for digest in digests {
                self.bytes.extend_from_slice(digest.as_bytes());
            }
        }
    }

    fn headers(&mut self, item: &Item) {
        // Those of one name keep their order, which counts (RFC 9110 section 5.3).
        let mut headers: Vec<_> = item.headers.iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        self.number(headers.len());
        for (name, value) in headers {
            self.part(name.as_str().as_bytes());
            self.part(if is_credential(name) { b"" } else { value.as_bytes() });
        }
    }
}

/// A URL in two halves, between which its login was.
fn without_login(url: &Url) -> (&str, &str) {
    if url.username().is_empty() && url.password().is_none() {
        return (url.as_str(), "");
    }
    (&url[..Position::BeforeUsername], &url[Position::BeforeHost..])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::format::{Entry, Format};

    fn item(text: &str) -> Item {
        let reader = Cursor::new(text.as_bytes().to_vec());
        let mut entries = Format::Lines.entries(reader, None, "");
        match entries.next() {
            Some(Ok(Entry::Item(item))) => item,
            other => panic!("{other:?}"),
        }
    }

    /// Changing this value invalidates every ledger.
    #[test]
    fn keys_stay_what_they_are() {
        let whole = item(
            "http://a/\thttp://b/\n  out=x\n  dir=d\n  size=1\n  crc32=00000000\n  header=A: 1\n",
        );
        let keys =
            [ItemKey::of(&item("http://h/"), 0), ItemKey::of(&whole, 0), ItemKey::of(&whole, 1)];
        let expected = [
            "2b2aac396f881ac419c020f9d3964c80",
            "fd147cdec42995fe8238e7fd449f38cf",
            "bba0f1046f64abe97c839b2c0e30ba26",
        ];
        assert_eq!(keys.map(|key| key.to_string()), expected);
    }

    #[test]
    fn what_counts_and_what_does_not() {
        let key = |text: &str| ItemKey::of(&item(text), 0);
        for (one, same) in [
            ("\n\nhttp://h/", "http://h/"),
            ("HTTP://H:80", "http://h/"),
            ("http://a/\thttp://b/", "http://b/\thttp://a/"),
            ("http://h/\n  out=x\n  dir=d", "http://h/\n  dir=d\n  out=x"),
            ("http://h/\n  header=A: 1\n  header=B: 2", "http://h/\n  header=b:2\n  header=a:1"),
            ("http://u:p@h/", "http://h/"),
            ("http://h/\n  header=Cookie: a", "http://h/\n  header=Cookie: b"),
        ] {
            assert_eq!(key(one), key(same), "{one} {same}");
        }
        let different = [
            "http://h/",
            "https://h/",
            "http://h/?",
            "http://a/\thttp://b/",
            "http://a/\thttp://b/\thttp://b/",
            "http://h/\n  out=x",
            "http://h/\n  dir=x",
            "http://h/\n  dir=x\n  out=x",
            "http://h/\n  size=0",
            "http://h/\n  size=1",
            "http://h/\n  crc32=00000000",
            "http://h/\n  crc32c=00000000",
            "http://h/\n  header=A: 1",
            "http://h/\n  header=A: 2",
            "http://h/\n  header=A: 1\n  header=A: 2",
            "http://h/\n  header=A: 2\n  header=A: 1",
            "http://h/\n  header=Cookie: a",
        ];
        let mut keys: HashMap<ItemKey, &str> = HashMap::new();
        for text in different {
            assert_eq!(keys.insert(key(text), text), None, "{text}");
            for occurrence in 1..3 {
                assert_eq!(keys.insert(ItemKey::of(&item(text), occurrence), text), None);
            }
        }
    }

    proptest! {
        /// No two lists of optional texts run into each other.
        #[test]
        fn encodings_are_unambiguous(
            one in proptest::collection::vec(proptest::option::of("[a-c\0]{0,3}"), 4),
            other in proptest::collection::vec(proptest::option::of("[a-c\0]{0,3}"), 4),
        ) {
            let encode = |parts: &[Option<String>]| {
                let mut encoder = Encoder::new();
                parts.iter().for_each(|part| encoder.optional(part.as_deref().map(str::as_bytes)));
                encoder.bytes
            };
            prop_assert_eq!(encode(&one) == encode(&other), one == other);
        }
    }
}
