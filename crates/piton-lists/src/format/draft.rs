//! An item under construction, in any format; and the names that fields have in all formats.

use std::path::PathBuf;

use http::header::{self, HeaderName, HeaderValue};
use piton_fetch::digest::{Algorithm, Digest, DigestError, Pieces};
use url::Url;

use super::entry::{Ignored, Out, Why, short};
use crate::item_url::{UrlError, UrlParser};
use crate::{Item, ItemUrl};

/// What is known of an item so far. Each setter refuses invalid values.
pub(super) struct Draft {
    pub(super) line: u64,
    urls: Vec<ItemUrl>,
    out: Option<String>,
    dir: Option<PathBuf>,
    size: Option<u64>,
    digests: Vec<Digest>,
    pieces: Option<Pieces>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A field of an item: an option of aria2's format, a column, or a key of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Out,
    Dir,
    Size,
    Checksum,
    Digest(Algorithm),
    Header,
    Referer,
    UserAgent,
}

impl Field {
    /// Ignores case.
    pub(super) fn named(name: &str) -> Option<Field> {
        let named = [
            ("out", Field::Out),
            ("dir", Field::Dir),
            ("size", Field::Size),
            ("checksum", Field::Checksum),
            ("header", Field::Header),
            ("referer", Field::Referer),
            ("user-agent", Field::UserAgent),
        ];
        let known = named.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        known.map(|(_, field)| *field).or_else(|| name.parse().ok().map(Field::Digest))
    }

    /// The part of `name=value` that may be shown if it is invalid: of a header only the name, since its
    /// value may be a credential.
    pub(super) fn shown(self, name: &str, value: &str) -> String {
        match self {
            Field::Header => match value.split_once(':') {
                Some((header, _)) => format!("{name}={}: …", short(header)),
                None => format!("{name}=…"),
            },
            _ => format!("{name}={value}"),
        }
    }
}

impl Draft {
    /// More than real lists have; a hostile one must not fill the memory (G8).
    const MAX_URLS: usize = 256;
    const MAX_HEADERS: usize = 64;
    const MAX_DIGESTS: usize = 16;

    pub(super) fn new(line: u64) -> Draft {
        Draft {
            line,
            urls: Vec::new(),
            out: None,
            dir: None,
            size: None,
            digests: Vec::new(),
            pieces: None,
            headers: Vec::new(),
        }
    }

    pub(super) fn has_url(&self) -> bool {
        !self.urls.is_empty()
    }

    /// Its name in a message.
    pub(super) fn label(&self) -> &str {
        let url = self.urls.first().map(|one| one.url.as_str());
        self.out.as_deref().or(url).unwrap_or_default()
    }

    /// Adds a URL, the only one.
    pub(super) fn url(&mut self, text: &str, urls: &mut UrlParser) -> Result<(), UrlError> {
        let url = urls.parse(text)?;
        self.push(url, ItemUrl::UNRANKED);
        Ok(())
    }

    /// Adds one URL of several. A scheme that piton does not support is not an error, as long as another
    /// URL is left.
    pub(super) fn mirror(
        &mut self,
        text: &str,
        urls: &mut UrlParser,
        priority: u32,
        out: &mut Out,
    ) -> Result<(), UrlError> {
        match urls.parse(text) {
            Ok(url) => {
                self.push(url, priority);
                if self.urls.len() > Self::MAX_URLS {
                    self.drop_least_preferred();
                    out.ignored(self.line, Ignored::Mirrors { limit: Self::MAX_URLS });
                }
                Ok(())
            }
            Err(UrlError::Scheme { scheme }) => {
                out.ignored(self.line, Ignored::Mirror { scheme });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Adds a URL that was built here.
    pub(super) fn push(&mut self, url: Url, priority: u32) {
        self.urls.push(ItemUrl { url, priority });
    }

    /// The last of those with the highest number: of equal ones, the first stay.
    fn drop_least_preferred(&mut self) {
        let all = self.urls.iter().enumerate();
        if let Some((at, _)) = all.max_by_key(|(at, address)| (address.priority, *at)) {
            self.urls.remove(at);
        }
    }

    /// Sets a field. Empty values are ignored. Spaces around names are part of them.
    pub(super) fn set(&mut self, field: Field, text: &str) -> Result<(), Why> {
        let value = text.trim();
        if value.is_empty() {
            return Ok(());
        }
        match field {
            Field::Out => self.out(text),
            Field::Dir => self.dir = Some(PathBuf::from(text)),
            Field::Size => self.size = Some(size(value)?),
            Field::Checksum => self.digest(checksum(value)?)?,
            Field::Digest(algorithm) => self.digest(Digest::from_hex(algorithm, value)?)?,
            Field::Header => {
                let (name, value) = value.split_once(':').ok_or(Why::Header)?;
                let name = HeaderName::from_bytes(name.trim().as_bytes());
                self.header(name.map_err(|_| Why::Header)?, value)?;
            }
            Field::Referer => self.header(header::REFERER, value)?,
            Field::UserAgent => self.header(header::USER_AGENT, value)?,
        }
        Ok(())
    }

    pub(super) fn out(&mut self, name: &str) {
        self.out = Some(name.to_owned());
    }

    pub(super) fn size(&mut self, size: u64) {
        self.size = Some(size);
    }

    pub(super) fn digest(&mut self, digest: Digest) -> Result<(), Why> {
        self.digests.push(digest);
        match self.digests.len() > Self::MAX_DIGESTS {
            true => Err(Why::TooMany { what: "digests", limit: Self::MAX_DIGESTS }),
            false => Ok(()),
        }
    }

    /// Keeps the pieces with the strongest digests, if there are several kinds.
    pub(super) fn pieces(&mut self, pieces: Pieces) {
        let strength = |pieces: &Pieces| pieces.digests().first().map(Digest::algorithm);
        if self.pieces.as_ref().is_none_or(|old| strength(old) < strength(&pieces)) {
            self.pieces = Some(pieces);
        }
    }

    fn header(&mut self, name: HeaderName, value: &str) -> Result<(), Why> {
        if self.headers.len() >= Self::MAX_HEADERS {
            return Err(Why::TooMany { what: "headers", limit: Self::MAX_HEADERS });
        }
        let mut value =
            HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| Why::Header)?;
        value.set_sensitive(crate::item::is_credential(&name));
        self.headers.push((name, value));
        Ok(())
    }

    /// Sorts the parts, and checks that they are consistent.
    pub(super) fn check(&mut self) -> Result<(), Why> {
        if self.urls.is_empty() {
            return Err(Why::NoAddress);
        }
        self.urls.sort_by_key(|one| one.priority);
        self.digests.sort_by_key(Digest::algorithm);
        self.digests.dedup();
        for pair in self.digests.windows(2) {
            if let [one, other] = pair
                && one.algorithm() == other.algorithm()
            {
                return Err(Why::Contradiction { algorithm: one.algorithm() });
            }
        }
        if let (Some(pieces), Some(size)) = (&self.pieces, self.size)
            && !pieces.fits(size)
        {
            let (length, pieces) = (pieces.length().get(), pieces.digests().len());
            return Err(Why::PiecesSize { pieces, length, size });
        }
        Ok(())
    }

    /// The item, after the checks.
    pub(super) fn into_item(self) -> Item {
        Item {
            line: self.line,
            urls: self.urls,
            out: self.out,
            dir: self.dir,
            size: self.size,
            digests: self.digests,
            pieces: self.pieces,
            headers: self.headers,
        }
    }
}

/// An exact number of bytes: digits, no unit.
pub(super) fn size(text: &str) -> Result<u64, Why> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Why::Size);
    }
    text.parse().map_err(|_| Why::Size)
}

/// `ALG:HEX`, or `ALG=HEX` as in aria2.
fn checksum(text: &str) -> Result<Digest, DigestError> {
    match text.split_once([':', '=']) {
        Some((algorithm, hex)) => Digest::from_hex(algorithm.trim().parse()?, hex.trim()),
        None => Err(DigestError::NoAlgorithm),
    }
}
