//! The trusted certificates: the machine's, or those of a configured bundle.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::setting::InvalidSetting;
use super::shared_config::{Found, SharedConfig};

/// Returns the TLS trust settings. The connector panics over a certificate that
/// it can't use, so it gets only usable ones.
pub(super) fn context(shared: &SharedConfig) -> Result<TlsContext, InvalidSetting> {
    let found = shared.get("AWS_CA_BUNDLE", Some("ca_bundle"));
    let Some(Found { name, value, place }) = found.filter(|found| !found.value.is_empty()) else {
        return Ok(TlsContext::default());
    };
    let call_error = |problem: String| InvalidSetting {
        variable: name,
        problem: format!("{value:?}{place} {problem}"),
    };
    let bundle =
        std::fs::read(&value).map_err(|error| call_error(format!("can't be read: {error}")))?;
    let mut usable = RootCertStore::empty();
    let mut store = TrustStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        let certificate =
            certificate.map_err(|error| call_error(format!("is not PEM: {error}")))?;
        if usable.add(certificate.clone()).is_ok() {
            store.add_pem_certificate(pem(&certificate));
        }
    }
    if usable.is_empty() {
        return Err(call_error(
            "has no certificate that can be used (PEM)".to_owned(),
        ));
    }
    let context = TlsContext::builder().with_trust_store(store).build();
    context.map_err(|error| call_error(error.to_string()))
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
