//! What the headers of HTTP say, and the cookie files of browsers: small functions over hostile input, each with
//! a fuzz target.

pub mod content_coding;
pub mod content_disposition;
pub mod content_length;
pub mod content_range;
pub mod cookies_txt;
pub mod digest_headers;
mod encoded_words;
pub mod etag;
pub mod http_date;
pub mod retry_after;
pub mod retry_delay;
