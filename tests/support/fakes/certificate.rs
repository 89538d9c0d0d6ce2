//! A self-signed certificate for `localhost`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate, with what a server needs to use it.
pub struct Certificate {
    pub acceptor: TlsAcceptor,
    /// The certificate that a client has to trust, in PEM.
    pub file: PathBuf,
}

impl Certificate {
    /// Creates a certificate in a folder.
    pub fn in_folder(folder: &Path) -> Self {
        let (file, key) = (folder.join("localhost.crt"), folder.join("localhost.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            // Clients refuse a CA certificate as a server's certificate.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-out")
            .arg(&file)
            .arg("-keyout")
            .arg(&key)
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{made:?}");
        let certificate = CertificateDer::from_pem_file(&file).expect("PEM");
        let key = PrivateKeyDer::from_pem_file(&key).expect("PEM");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate with its key");
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            file,
        }
    }
}
