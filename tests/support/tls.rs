//! TLS in front of a server, with an untrusted certificate.

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::fakes::certificate::Certificate;
use super::fakes::http_server::Listener;

pub struct TlsFront {
    pub endpoint: String,
    pub folder: TempDir,
    certificate: Certificate,
    _listener: Listener,
}

impl TlsFront {
    /// Starts TLS in front of the server at `upstream`, an `http://` endpoint.
    pub async fn start(upstream: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let certificate = Certificate::in_folder(folder.path());
        let acceptor = certificate.acceptor.clone();
        let upstream = upstream.strip_prefix("http://").expect("HTTP").to_owned();
        let listener = Listener::start(move |stream| {
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            async move {
                // Clients that do not trust the certificate disconnect.
                let Ok(mut inside) = acceptor.accept(stream).await else {
                    return;
                };
                let mut behind = TcpStream::connect(upstream).await.expect("it listens");
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut behind).await;
            }
        })
        .await;
        Self {
            endpoint: format!("https://localhost:{}", listener.port),
            folder,
            certificate,
            _listener: listener,
        }
    }

    /// Returns the certificate that a client has to trust.
    pub fn certificate(&self) -> String {
        std::fs::read_to_string(&self.certificate.file).expect("PEM")
    }
}
