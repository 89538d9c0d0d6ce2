//! TLS in front of a server, with an untrusted certificate.

use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub struct TlsFront {
    pub endpoint: String,
    pub folder: TempDir,
    server: JoinHandle<()>,
}

impl TlsFront {
    /// Starts TLS in front of the server at `upstream`, an `http://` endpoint.
    pub async fn start(upstream: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            // Clients refuse a CA certificate as a server's certificate.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-out", "c.pem", "-keyout", "k.pem"])
            .current_dir(folder.path())
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{made:?}");
        let certificate = CertificateDer::from_pem_file(folder.path().join("c.pem"));
        let key = PrivateKeyDer::from_pem_file(folder.path().join("k.pem"));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.expect("PEM")], key.expect("PEM"))
            .expect("a certificate with its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let upstream = upstream.strip_prefix("http://").expect("HTTP").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
                tokio::spawn(async move {
                    // Clients that do not trust the certificate disconnect.
                    let Ok(mut inside) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut behind = TcpStream::connect(upstream).await.expect("it listens");
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut behind).await;
                });
            }
        });
        Self {
            endpoint: format!("https://localhost:{port}"),
            folder,
            server,
        }
    }

    /// Returns the certificate that a client has to trust.
    pub fn certificate(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("c.pem")).expect("PEM")
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.server.abort();
    }
}
