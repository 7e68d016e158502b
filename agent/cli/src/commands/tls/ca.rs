//! `lictor tls ca create`

use super::{CERTIFICATE_MODE, KEY_MODE, pem, validity, write_new};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{integer, switch, value, values};
use crate::random;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use std::process::ExitCode;

/// `lictor tls ca create`
pub const CREATE: Command = Command {
    name: "tls ca create",
    about: "Makes a certificate authority for a cluster",
    arguments: "",
    help: "Writes DOMAIN-agent-ca.pem and DOMAIN-agent-ca-key.pem in the current directory. Keep the key off the machines of the cluster.\n\nExample:\n  lictor tls ca create -days=3650",
    flags: &[
        values("additional-name-constraint", "domain", "With -name-constraint: allow this domain as well; repeatable."),
        integer("days", "How many days it is valid. Default 1825, 5 years."),
        value("domain", "domain", "Domain of the cluster. Default consul."),
        switch("name-constraint", "Allow certificates only for localhost, the domain and those of -additional-name-constraint."),
    ],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

/// 5 years.
const DAYS: i64 = 5 * 365;

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, terminal, .. } = invocation;
    let domain = if given.text("domain").is_empty() { "consul" } else { given.text("domain") };
    let (certificate_file, key_file) = (format!("{domain}-agent-ca.pem"), format!("{domain}-agent-ca-key.pem"));
    for file in [&certificate_file, &key_file] {
        if std::path::Path::new(file).exists() {
            return Err(Failure::Failed(format!("{file} already exists.")));
        }
    }
    let constraints: Vec<&str> = if given.is_on("name-constraint") {
        given.texts("additional-name-constraint").into_iter().chain([domain, "localhost"]).collect()
    } else {
        Vec::new()
    };
    let (certificate, key) = make(given.integer("days").unwrap_or(DAYS), &constraints)?;
    write_new(&certificate_file, &certificate, CERTIFICATE_MODE)?;
    terminal.say(&format!("==> Saved {certificate_file}"));
    write_new(&key_file, &key, KEY_MODE)?;
    terminal.say(&format!("==> Saved {key_file}"));
    Ok(ExitCode::SUCCESS)
}

/// A new authority: certificate and key, as PEM. `constraints`: the only domains it may sign for; empty: all.
pub(super) fn make(days: i64, constraints: &[&str]) -> Result<(String, String), Failure> {
    let failed = |error: rcgen::Error| Failure::Failed(format!("Error generating the CA: {error}"));
    let serial: [u8; 16] = random::bytes()?;
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Lictor");
    name.push(DnType::CommonName, format!("Lictor Agent CA {}", u128::from_be_bytes(serial)));
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(days)?;
    params.distinguished_name = name;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    if !constraints.is_empty() {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: constraints.iter().map(|domain| GeneralSubtree::DnsName((*domain).to_owned())).collect(),
            excluded_subtrees: Vec::new(),
        });
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let key = pem::ec_key(&key).unwrap_or_else(|| key.serialize_pem());
    Ok((certificate.pem(), key))
}
