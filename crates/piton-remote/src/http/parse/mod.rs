//! What the headers of HTTP say, and the cookie files of browsers: small functions over hostile input, each with
//! a fuzz target.

pub(crate) mod content_coding;
pub(crate) mod content_disposition;
pub(crate) mod content_length;
pub(crate) mod content_range;
pub(crate) mod cookies_txt;
pub(crate) mod digest_headers;
mod encoded_words;
pub(crate) mod etag;
pub(crate) mod http_date;
pub(crate) mod retry_after;
pub(crate) mod retry_delay;
