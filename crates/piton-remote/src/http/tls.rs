//! TLS by rustls: whom to trust, who we are to whom, and what is spoken inside.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, Error,
    PeerMisbehaved, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use tokio::io::BufReader;
use tokio_rustls::TlsConnector;
use url::Host;

use super::broken::cause;
use super::config::{Config, ConfigError, Identity, Versions};
use super::stream::{Stream, TLS_READ_AHEAD};
use crate::error::{RemoteError, TlsFault, TlsRemedy};
use crate::origin::Origin;

/// Opens TLS on connections, resuming sessions where the server allows.
pub(super) struct Connector {
    provider: Arc<CryptoProvider>,
    extra_roots: Vec<CertificateDer<'static>>,
    insecure: bool,
    /// Who we are, to whom.
    selves: Vec<Own>,
    alpn: Vec<Vec<u8>>,
    /// Made at the first use: reading the platform's roots takes milliseconds that plain http need not pay.
    config: OnceLock<Result<Arc<ClientConfig>, Error>>,
}

/// A certificate of ours, and who is shown it.
struct Own {
    origins: Vec<Origin>,
    identity: Arc<SingleCertAndKey>,
    /// With sessions of its own: one that began with a certificate says who we are as well.
    config: OnceLock<Arc<ClientConfig>>,
}

/// What the connection inside is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Requests, in the HTTP version agreed on.
    Requests,
    /// Requests in HTTP/1.1 and nothing else: to a proxy always, to a server where that is preferred.
    Http1,
}

/// The HTTP version that both sides agreed on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreed {
    Http1,
    Http2,
    /// None, as without TLS: HTTP/1.1, unless the server means something else.
    Nothing,
}

impl Connector {
    pub(super) fn new(config: &Config) -> Result<Connector, ConfigError> {
        let Config { tls, versions, credentials, .. } = config;
        // The process default is ambiguous as soon as another library brings a second provider.
        let mut provider = ring::default_provider();
        // As browsers do: AES-128 is as safe in practice and a quarter cheaper than AES-256.
        provider.cipher_suites.sort_by_key(|suite| !is_aes_128(suite.suite()));
        let provider = Arc::new(provider);
        let alpn: &[&[u8]] = match versions {
            Versions::Auto => &[b"h2", b"http/1.1"],
            Versions::Http1 => &[b"http/1.1"],
            Versions::Http2 => &[b"h2"],
        };
        let selves = credentials.iter().filter_map(|own| Some((own, own.identity.as_ref()?)));
        let selves = selves.map(|(own, identity)| {
            Ok(Own {
                origins: own.origins.clone(),
                identity: parse_identity(identity, &provider)?,
                config: OnceLock::new(),
            })
        });
        Ok(Connector {
            extra_roots: parse_roots(&tls.ca_pem)?,
            insecure: tls.insecure,
            selves: selves.collect::<Result<_, _>>()?,
            alpn: alpn.iter().map(|name| name.to_vec()).collect(),
            provider,
            config: OnceLock::new(),
        })
    }

    /// Opens TLS to `origin` on `stream`; also says which HTTP version was agreed on.
    pub(super) async fn connect(
        &self,
        stream: Stream,
        origin: &Origin,
        inside: Inside,
        shown: &str,
    ) -> Result<(Stream, Agreed), RemoteError> {
        let mut config = self
            .config_for(origin)
            .map_err(|error| failed(shown, &error, TlsFault::Roots, Asked::Nothing))?;
        if inside == Inside::Http1 {
            Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let name = server_name(&origin.host)
            .ok_or(RemoteError::BadUrl { why: "its host is not a name that TLS knows" })?;
        let connecting = TlsConnector::from(config)
            .connect(name, BufReader::with_capacity(TLS_READ_AHEAD, stream));
        let (tls, asked) = ASKED
            .scope(Cell::new(false), async { (connecting.await, ASKED.with(Cell::get)) })
            .await;
        let asked = if asked { Asked::ForCertificate } else { Asked::Nothing };
        let tls = tls.map_err(|error| handshake_failed(shown, error, asked))?;
        let agreed = match tls.get_ref().1.alpn_protocol() {
            Some(b"h2") => Agreed::Http2,
            Some(_) => Agreed::Http1,
            None => Agreed::Nothing,
        };
        Ok((Stream::Tls(Box::new(tls)), agreed))
    }

    /// The configuration for connections to `origin`: with our certificate only where it is for that one.
    fn config_for(&self, origin: &Origin) -> Result<Arc<ClientConfig>, Error> {
        let base = self.config.get_or_init(|| self.build().map(Arc::new)).clone()?;
        let own = |own: &&Own| own.origins.iter().any(|named| named.trusts(origin));
        Ok(match self.selves.iter().find(own) {
            None => base,
            Some(own) => {
                let config = own.config.get_or_init(|| {
                    let mut config = ClientConfig::clone(&base);
                    config.client_auth_cert_resolver = Arc::new(Noting(own.identity.clone()));
                    config.resumption = Resumption::default();
                    Arc::new(config)
                });
                Arc::clone(config)
            }
        })
    }

    fn build(&self) -> Result<ClientConfig, Error> {
        let verifier: Arc<dyn ServerCertVerifier> = if self.insecure {
            Arc::new(AcceptAny(self.provider.clone()))
        } else {
            let named = self.extra_roots.clone();
            let provider = self.provider.clone();
            let verifier = Verifier::new_with_extra_roots(named.iter().cloned(), provider)?;
            Arc::new(Roots { verifier, named })
        };
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.client_auth_cert_resolver = Arc::new(Noting(config.client_auth_cert_resolver));
        config.alpn_protocols.clone_from(&self.alpn);
        Ok(config)
    }
}

fn is_aes_128(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
        Host::Ipv4(ip) => Some(ServerName::from(std::net::IpAddr::V4(*ip))),
        Host::Ipv6(ip) => Some(ServerName::from(std::net::IpAddr::V6(*ip))),
    }
}

fn parse_roots(files: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let mut found = Vec::new();
    let mut store = RootCertStore::empty();
    for file in files {
        let before = found.len();
        for certificate in CertificateDer::pem_slice_iter(file) {
            let certificate =
                certificate.map_err(|error| ConfigError::Ca { why: error.to_string() })?;
            store
                .add(certificate.clone())
                .map_err(|error| ConfigError::Ca { why: error.to_string() })?;
            found.push(certificate);
        }
        if found.len() == before {
            return Err(ConfigError::Ca { why: "it holds no certificate in PEM form".to_owned() });
        }
    }
    Ok(found)
}

fn parse_identity(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<Arc<SingleCertAndKey>, ConfigError> {
    let bad = |why: String| ConfigError::Identity { why };
    let chain = CertificateDer::pem_slice_iter(&identity.cert_chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad("there is no certificate in PEM form".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&identity.key_pem)
        .map_err(|error| bad(format!("no private key could be read: {error}")))?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|e| bad(e.to_string()))?;
    Ok(Arc::new(SingleCertAndKey::from(pair)))
}

fn handshake_failed(host: &str, error: io::Error, asked: Asked) -> RemoteError {
    match cause::<Error>(&error) {
        Some(tls @ Error::InvalidCertificate(_)) => failed(host, tls, TlsFault::Certificate, asked),
        Some(tls) => failed(host, tls, TlsFault::Protocol, asked),
        None => RemoteError::Reset { host: host.to_owned(), source: error },
    }
}

/// Whether the server asked for a certificate of ours before the handshake failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It did, or the handshake was over.
    ForCertificate,
    /// It did not.
    Nothing,
}

/// Says what rustls found, and what it comes from.
pub(super) fn failed(host: &str, error: &Error, kind: TlsFault, asked: Asked) -> RemoteError {
    use AlertDescription as Alert;
    let mut why = error.to_string();
    let remedy = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(TlsRemedy::Authority),
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Some(TlsRemedy::Clock),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some(TlsRemedy::Name),
        Error::NoApplicationProtocol
        | Error::AlertReceived(Alert::NoApplicationProtocol)
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            Some(TlsRemedy::HttpVersion)
        }
        // Until it asks for a certificate, nothing but versions and ciphers is agreed on.
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity,
        ) if asked == Asked::Nothing => {
            why = format!("its TLS version is too old for piton ({why})");
            Some(TlsRemedy::TooOld)
        }
        Error::AlertReceived(_) if asked == Asked::ForCertificate => {
            Some(TlsRemedy::ClientCertificate)
        }
        _ if kind == TlsFault::Roots => Some(TlsRemedy::Roots),
        _ => None,
    };
    RemoteError::Tls { host: host.to_owned(), why, kind, remedy }
}

tokio::task_local! {
    /// Of the handshake that this task does.
    static ASKED: Cell<bool>;
}

/// Notes that the server asks for a certificate of ours.
#[derive(Debug)]
struct Noting(Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for Noting {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        // Outside of a handshake of ours nobody wants to know.
        let _ = ASKED.try_with(|asked| asked.set(true));
        self.0.resolve(root_hint_subjects, sigschemes)
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// The platform's roots and the user's own. A certificate that the user named is also taken as the
/// server's own, as OpenSSL does: what `openssl req -x509` makes signs itself and calls itself an
/// authority, which webpki allows no server.
#[derive(Debug)]
struct Roots {
    verifier: Verifier,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verified {
            // Its dates have been checked before this comes up, its name has not.
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.named.iter().any(|named| named == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What `insecure` asks for: the certificate may be anybody's, but who owns its key must still prove it.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
