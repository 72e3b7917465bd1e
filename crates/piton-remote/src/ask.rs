//! What goes into an exchange.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use ::http::header::{HeaderName, HeaderValue};
use piton_checkpoint::Identity;
use url::Url;

use crate::http::{ConfigError, check_headers};

/// The bytes asked for: `first` to `last` inclusive, to the end without `last` (RFC 9110 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte, which is part of the range.
    pub last: Option<u64>,
}

/// A question for a resource, or for some of its bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ask {
    /// Where to ask. A login in it is used and not kept.
    pub url: Url,
    /// The URL that redirected to `url` earlier, or `url` itself: only its origin is told its login and what
    /// is `extra`.
    pub original: Url,
    /// Only these bytes. `None`: all of them, and no word of ranges, for servers that cannot cope with one.
    pub range: Option<ByteRange>,
    /// The range only of this version; of any other, the whole. Ignored where the protocol has no such
    /// condition, or this version no validator that is strong enough for one.
    pub same_as: Option<Identity>,
    /// Nothing if the resource was not modified since ([`crate::Holds::NotNewer`]).
    pub newer_than: Option<SystemTime>,
    /// What this question carries beside that.
    pub extra: Extra,
}

impl Ask {
    /// The whole of `url`, on no condition.
    pub fn new(url: Url) -> Self {
        let (range, same_as, newer_than, extra) = (None, None, None, Extra::default());
        Self { original: url.clone(), url, range, same_as, newer_than, extra }
    }

    /// Only these bytes, `last` included.
    pub fn range(self, first: u64, last: Option<u64>) -> Self {
        Self { range: Some(ByteRange { first, last }), ..self }
    }
}

/// What a question carries beside its words, in terms of a protocol: headers of HTTP. Whoever passes it on does
/// not look into it. Clones share it.
#[derive(Clone, Default)]
pub struct Extra {
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl Extra {
    /// Headers to send with each HTTP request, to the origin that is asked and to no host that it redirects to.
    /// They replace the configuration's of the same name.
    ///
    /// # Errors
    /// [`ConfigError`] for headers that are not the user's to set: a `Range` would make each resumed byte land
    /// in the wrong place.
    pub fn headers(
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<Self, ConfigError> {
        let headers: Arc<[_]> = headers.into_iter().collect();
        check_headers(&headers)?;
        Ok(Self { headers })
    }

    pub(crate) fn as_headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

/// Values may be secrets.
impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}
