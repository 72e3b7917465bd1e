//! Each protocol against the suite of the test kit.

use std::sync::Arc;

use piton_durable::fs::OsFs;
use piton_remote::http::{Config, Versions};
use piton_remote::{Protocol, Remote};
use piton_testkit::conformance::{Subject, check};
use url::Url;

use super::http::daemon::{Nginx, nginx};

async fn over(nginx: &Nginx, base: String, versions: Versions, protocol: Protocol) {
    let mut config = Config::default();
    config.tls.ca_pem = vec![nginx.authority.pem.clone().into_bytes()];
    config.versions = versions;
    let (remote, base) = (Remote::new(config).unwrap(), Url::parse(&base).unwrap());
    check(&Subject { remote, folder: nginx.root(), base, protocol }).await;
}

#[tokio::test]
async fn http_1_1() {
    let Some(nginx) = nginx("", &[]) else { return };
    over(&nginx, nginx.http("/"), Versions::Auto, Protocol::Http11).await;
}

#[tokio::test]
async fn http_1_1_over_tls() {
    let Some(nginx) = nginx("", &[]) else { return };
    over(&nginx, nginx.https("/"), Versions::Http1, Protocol::Http11).await;
}

#[tokio::test]
async fn http_2() {
    let Some(nginx) = nginx("", &[]) else { return };
    over(&nginx, nginx.https("/"), Versions::Http2, Protocol::Http2).await;
}

#[tokio::test]
async fn files_of_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let base = Url::from_directory_path(folder.path()).unwrap();
    let remote = Remote::new(Config::default()).unwrap().with_files(Arc::new(OsFs));
    let folder = folder.path().to_owned();
    check(&Subject { remote, folder, base, protocol: Protocol::File }).await;
}
