//! Certificates of our own: an authority, and servers and clients it vouches for.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate authority that no one trusts unless told to.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate chain.
    pub cert_pem: String,
    /// The private key (PKCS #8).
    pub key_pem: String,
    cert: CertificateDer<'static>,
    key: Vec<u8>,
    clients: Option<CertificateDer<'static>>,
}

impl Authority {
    /// A new authority with a new key.
    ///
    /// # Panics
    ///
    /// When the crypto library refuses.
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names are valid names");
        params.distinguished_name.push(DnType::CommonName, "piton test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        Self(
            CertifiedIssuer::self_signed(params, new_key())
                .expect("a certificate of the authority"),
        )
    }

    /// The certificate to trust, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server for `localhost`, `127.0.0.1` and `::1`.
    pub fn server(&self) -> Identity {
        self.issue(server_params(&HOSTS))
    }

    /// A server whose certificate ended in 2021.
    pub fn expired(&self) -> Identity {
        let mut params = server_params(&HOSTS);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.issue(params)
    }

    /// A server whose certificate is for `elsewhere.invalid`.
    pub fn wrong_host(&self) -> Identity {
        self.issue(server_params(&["elsewhere.invalid"]))
    }

    /// A client.
    pub fn client(&self) -> Identity {
        let mut params = server_params(&[]);
        params.distinguished_name.push(DnType::CommonName, "piton test client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = new_key();
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        Identity::new(&cert, &key)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// A server for the loopback names that vouches for itself, and calls itself an authority as
    /// what `openssl req -x509` makes does.
    ///
    /// # Panics
    ///
    /// When the crypto library refuses.
    pub fn self_signed() -> Self {
        let key = new_key();
        let mut params = server_params(&HOSTS);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).expect("a certificate");
        Self::new(&cert, &key)
    }

    /// Turns away clients without a certificate from `authority`.
    pub fn require_client_of(mut self, authority: &Authority) -> Self {
        self.clients = Some(authority.0.der().clone());
        self
    }

    fn new(cert: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
            cert: cert.der().clone(),
            key: key.serialize_der(),
            clients: None,
        }
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the default versions");
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.clone()).expect("the authority's certificate");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier of clients"))
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config =
            builder.with_single_cert(vec![self.cert.clone()], key).expect("a key that fits");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

fn server_params(hosts: &[&str]) -> CertificateParams {
    let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("valid names");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
