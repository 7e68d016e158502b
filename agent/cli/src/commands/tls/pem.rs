//! Reading an authority's files, our own and Consul's.

use crate::error::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{Issuer, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What goes before a P-256 key in the form of RFC 5915 (`EC PRIVATE KEY`, as Consul writes it) to make one of RFC 5208
/// (`PRIVATE KEY`): version 0, and the algorithm `ecPublicKey` with the curve `prime256v1`.
const P256_HEADER: &[u8] = &[
    0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07,
];

/// An authority that can sign, of its two PEM texts.
pub(super) fn authority(certificate: &str, key: &str) -> Result<Issuer<'static, KeyPair>, Failure> {
    let wrong = |what: &'static str| move |error: &dyn std::fmt::Display| Failure::Failed(format!("{what}: {error}"));
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|error| wrong("Error reading CA")(&error))?;
    let key = match PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| wrong("Error reading CA key")(&error))? {
        PrivateKeyDer::Sec1(key) => {
            pkcs8(key.secret_sec1_der()).and_then(|der| PrivatePkcs8KeyDer::from(der).try_into_key_pair())
        }
        PrivateKeyDer::Pkcs8(key) => key.try_into_key_pair(),
        _ => None,
    };
    let key =
        key.ok_or_else(|| Failure::Failed("Error reading CA key: neither PKCS #8 nor an EC key of the curve P-256".to_owned()))?;
    // The certificate holds the public key as it is; without it the pair is not one.
    let public = key.public_key_raw().to_vec();
    if !der.windows(public.len().max(1)).any(|window| window == public) {
        return Err(Failure::Failed("The CA's key does not belong to its certificate.".to_owned()));
    }
    Issuer::from_ca_cert_der(&der, key).map_err(|error| wrong("Error reading CA")(&error))
}

trait TryIntoKeyPair {
    fn try_into_key_pair(self) -> Option<KeyPair>;
}

impl TryIntoKeyPair for PrivatePkcs8KeyDer<'static> {
    fn try_into_key_pair(self) -> Option<KeyPair> {
        KeyPair::try_from(&self).ok()
    }
}

/// A P-256 key in the form of RFC 5915, which is the only one that Consul's `tls cert create` reads.
pub(super) fn ec_key(key: &KeyPair) -> Option<String> {
    // In PKCS #8 the key is wrapped: version 1, then its 32 bytes. What Consul needs besides is the name of the curve.
    let (start, inner) = ([0x02, 0x01, 0x01, 0x04, 0x20], key.serialize_der());
    let at = inner.windows(start.len()).position(|window| window == start)? + start.len();
    let public = key.public_key_raw();
    let mut body = start.to_vec();
    body.extend_from_slice(inner.get(at..at + 32)?);
    body.extend_from_slice(&[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    let size = u8::try_from(public.len()).ok().filter(|size| *size < 0x70)?;
    body.extend_from_slice(&[0xa1, size + 3, 0x03, size + 1, 0x00]);
    body.extend_from_slice(public);
    let mut der = vec![0x30, u8::try_from(body.len()).ok().filter(|size| *size < 0x80)?];
    der.extend_from_slice(&body);
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(PEM_COLUMNS).map(|line| String::from_utf8_lossy(line).into_owned());
    let lines: Vec<String> = lines.collect();
    Some(format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", lines.join("\n")))
}

/// Characters in a line of PEM (RFC 7468).
const PEM_COLUMNS: usize = 64;

/// Wraps an EC key. Lengths of P-256 keys fit in one byte each.
fn pkcs8(sec1: &[u8]) -> Option<Vec<u8>> {
    let inner = u8::try_from(sec1.len()).ok().filter(|size| *size < 0x80)?;
    let body = P256_HEADER.len() + 2 + sec1.len();
    let mut der = vec![0x30, 0x81, u8::try_from(body).ok()?];
    der.extend_from_slice(P256_HEADER);
    der.extend_from_slice(&[0x04, inner]);
    der.extend_from_slice(sec1);
    Some(der)
}
