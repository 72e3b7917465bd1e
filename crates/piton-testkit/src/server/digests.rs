//! Digests of a body, and the header fields in which servers send them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::body::Body;

/// A header field that carries a digest of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestField {
    /// `Repr-Digest: sha-256=:…:` (RFC 9530).
    ReprSha256,
    /// `Repr-Digest: sha-512=:…:` (RFC 9530).
    ReprSha512,
    /// `Content-Digest: sha-256=:…:` (RFC 9530); of the content, so not sent with a 206.
    ContentSha256,
    /// `Digest: sha-256=…` (RFC 3230).
    DigestSha256,
    /// `Content-MD5: …` (RFC 1864); of the content, so not sent with a 206.
    ContentMd5,
    /// `x-goog-hash: crc32c=…,md5=…` (Google Cloud Storage).
    GoogHash,
    /// `x-amz-checksum-sha256: …` (Amazon S3).
    AmzSha256,
    /// `x-amz-checksum-sha1: …` (Amazon S3).
    AmzSha1,
    /// `x-amz-checksum-crc32c: …` (Amazon S3).
    AmzCrc32c,
}

impl DigestField {
    /// Name and value of the field for `body`; with `right == false` a well-formed digest of
    /// something else.
    pub fn of(self, body: &Body, right: bool) -> (&'static str, String) {
        let wrong = Body::Bytes(b"some other bytes".as_slice().into());
        let body = if right { body } else { &wrong };
        match self {
            Self::ReprSha256 => ("Repr-Digest", format!("sha-256=:{}:", base64::<Sha256>(body))),
            Self::ReprSha512 => ("Repr-Digest", format!("sha-512=:{}:", base64::<Sha512>(body))),
            Self::ContentSha256 => {
                ("Content-Digest", format!("sha-256=:{}:", base64::<Sha256>(body)))
            }
            Self::DigestSha256 => ("Digest", format!("sha-256={}", base64::<Sha256>(body))),
            Self::ContentMd5 => ("Content-MD5", base64::<Md5>(body)),
            Self::GoogHash => {
                ("x-goog-hash", format!("crc32c={},md5={}", crc32c(body), base64::<Md5>(body)))
            }
            Self::AmzSha256 => ("x-amz-checksum-sha256", base64::<Sha256>(body)),
            Self::AmzSha1 => ("x-amz-checksum-sha1", base64::<Sha1>(body)),
            Self::AmzCrc32c => ("x-amz-checksum-crc32c", crc32c(body)),
        }
    }

    /// Whether the field speaks of the content that is sent and not of the whole resource.
    pub(super) fn is_of_content(self) -> bool {
        matches!(self, Self::ContentSha256 | Self::ContentMd5)
    }
}

/// The SHA-256 of `body` in lower-case hexadecimal, as `--checksum sha256:…` takes it.
pub fn sha256_hex(body: &Body) -> String {
    hash::<Sha256>(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of `body` in lower-case hexadecimal.
pub fn md5_hex(body: &Body) -> String {
    hash::<Md5>(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash<D: Digest>(body: &Body) -> Vec<u8> {
    let mut digest = D::new();
    body.for_each_piece(|piece| digest.update(piece));
    digest.finalize().to_vec()
}

fn base64<D: Digest>(body: &Body) -> String {
    BASE64.encode(hash::<D>(body))
}

fn crc32c(body: &Body) -> String {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    body.for_each_piece(|piece| digest.update(piece));
    BASE64.encode((digest.finalize() as u32).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let body = Body::Bytes(b"123456789".as_slice().into());
        // The check values of CRC-32C (0xE3069283) and MD5 of this string are published.
        assert_eq!(
            DigestField::GoogHash.of(&body, true),
            ("x-goog-hash", "crc32c=4waSgw==,md5=JfnnlDI7RTiF9RgfG2JNCw==".to_owned())
        );
        assert_eq!(md5_hex(&body), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(
            sha256_hex(&body),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
        assert_ne!(
            DigestField::ReprSha256.of(&body, true),
            DigestField::ReprSha256.of(&body, false)
        );
    }
}
