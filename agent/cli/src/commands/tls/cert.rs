//! `lictor tls cert create`

use super::{CERTIFICATE_MODE, KEY_MODE, pem, validity, write_new};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{Given, integer, switch, value, values};
use crate::terminal::Terminal;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::ExitCode;

/// `lictor tls cert create`
pub const CREATE: Command = Command {
    name: "tls cert create",
    about: "Makes a certificate of the cluster's authority",
    arguments: "-server|-client|-cli",
    help: "Writes DC-KIND-DOMAIN-N.pem and its key in the current directory, with the next free number N.\n\nExamples:\n  lictor tls cert create -server -dc=east -node=s1\n  lictor tls cert create -client",
    flags: &[
        values("additional-dnsname", "name", "A further name in the certificate; repeatable. localhost is always there."),
        values(
            "additional-ipaddress",
            "address",
            "A further IP address in the certificate; repeatable. 127.0.0.1 is there for servers and clients.",
        ),
        value("ca", "path", "Certificate of the authority. Default DOMAIN-agent-ca.pem."),
        switch("cli", "Make a certificate for people's command line."),
        switch("client", "Make a certificate for a client agent."),
        integer("days", "How many days it is valid. Default 365."),
        value("dc", "name", "Datacenter. Default dc1."),
        value("domain", "domain", "Domain of the cluster. Default consul."),
        value("key", "path", "Key of the authority. Default DOMAIN-agent-ca-key.pem."),
        value("node", "name", "With -server: also the name NODE.server.DC.DOMAIN."),
        switch("server", "Make a certificate for a server."),
    ],
    reach: Reach::Nowhere,
    work: |invocation| Box::pin(run(invocation)) as Work<'_>,
};

const DAYS: i64 = 365;

/// Shown before a server's certificate is made.
const WARNING: &str = "==> WARNING: Server Certificates grants authority to become a\n    server and access all state in the cluster including root keys\n    and all ACL tokens. Do not distribute them to production hosts\n    that are not server nodes. Store them as securely as CA keys.";

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Server,
    Client,
    Cli,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Cli => "cli",
        }
    }

    fn uses(self) -> Vec<ExtendedKeyUsagePurpose> {
        match self {
            Self::Server => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            Self::Client => vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
            Self::Cli => Vec::new(),
        }
    }
}

fn purpose(given: &Given) -> Result<Purpose, Failure> {
    let all = [("server", Purpose::Server), ("client", Purpose::Client), ("cli", Purpose::Cli)];
    let wanted: Vec<Purpose> = all.into_iter().filter(|(flag, _)| given.is_on(flag)).map(|(_, purpose)| purpose).collect();
    match wanted[..] {
        [Purpose::Server] => Ok(Purpose::Server),
        [_] if given.has("node") => Err(Failure::Usage("-node requires -server".to_owned())),
        [purpose] => Ok(purpose),
        _ => Err(Failure::Usage("Please provide either -server, -client, or -cli".to_owned())),
    }
}

async fn run(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, terminal, .. } = invocation;
    let purpose = purpose(&given)?;
    let or =
        |flag: &str, default: &str| if given.text(flag).is_empty() { default.to_owned() } else { given.text(flag).to_owned() };
    let (datacenter, domain) = (or("dc", "dc1"), or("domain", "consul"));
    let (ca, ca_key) = (or("ca", &format!("{domain}-agent-ca.pem")), or("key", &format!("{domain}-agent-ca-key.pem")));
    let certificate = std::fs::read_to_string(&ca).map_err(Failure::because(format!("Error reading CA: open {ca}")))?;
    let key = std::fs::read_to_string(&ca_key).map_err(Failure::because(format!("Error reading CA key: open {ca_key}")))?;
    if purpose == Purpose::Server {
        terminal.say(WARNING);
    }
    terminal.say(&format!("==> Using {ca} and {ca_key}"));
    let issuer = pem::authority(&certificate, &key)?;

    let name = format!("{}.{datacenter}.{domain}", purpose.word());
    let mut names: Vec<String> = given.texts("additional-dnsname").into_iter().map(str::to_owned).collect();
    if given.has("node") {
        names.push(format!("{}.{name}", given.text("node")));
    }
    names.extend([name.clone(), "localhost".to_owned()]);
    let mut addresses = Vec::new();
    for text in given.texts("additional-ipaddress") {
        addresses.push(text.parse::<IpAddr>().map_err(Failure::because(format!("-additional-ipaddress {text}")))?);
    }
    if purpose != Purpose::Cli {
        addresses.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let made = make(&issuer, purpose, &name, &names, &addresses, given.integer("days").unwrap_or(DAYS))?;
    save(&format!("{datacenter}-{}-{domain}", purpose.word()), made, terminal)?;
    Ok(ExitCode::SUCCESS)
}

/// Certificate and key, as PEM.
fn make(
    issuer: &Issuer<'_, KeyPair>,
    purpose: Purpose,
    common_name: &str,
    names: &[String],
    addresses: &[IpAddr],
    days: i64,
) -> Result<(String, String), Failure> {
    let failed = |error: rcgen::Error| Failure::Failed(format!("Error generating the certificate: {error}"));
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = validity(days)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = purpose.uses();
    params.use_authority_key_identifier_extension = true;
    for name in names {
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().map_err(failed)?));
    }
    params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params.signed_by(&key, issuer).map_err(failed)?;
    let key = pem::ec_key(&key).unwrap_or_else(|| key.serialize_pem());
    Ok((certificate.pem(), key))
}

/// Writes both under the next free number.
fn save(stem: &str, (certificate, key): (String, String), terminal: &mut Terminal) -> Result<(), Failure> {
    let free = |stem: &String| !Path::new(&format!("{stem}.pem")).exists() && !Path::new(&format!("{stem}-key.pem")).exists();
    let Some(stem) = (0_u32..).map(|number| format!("{stem}-{number}")).find(free) else {
        return Err(Failure::Failed("Could not find a filename that doesn't already exist".to_owned()));
    };
    write_new(&format!("{stem}.pem"), &certificate, CERTIFICATE_MODE)?;
    terminal.say(&format!("==> Saved {stem}.pem"));
    write_new(&format!("{stem}-key.pem"), &key, KEY_MODE)?;
    terminal.say(&format!("==> Saved {stem}-key.pem"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::ca;
    use super::*;

    #[test]
    fn an_authority_signs_only_with_its_own_key() {
        let (one, one_key) = ca::make(10, &[]).unwrap();
        let (_, other_key) = ca::make(10, &[]).unwrap();
        let issuer = pem::authority(&one, &one_key).unwrap();
        let names = ["server.dc1.consul".to_owned(), "localhost".to_owned()];
        let (certificate, key) = make(&issuer, Purpose::Server, "server.dc1.consul", &names, &[], 1).unwrap();
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----") && key.starts_with("-----BEGIN EC PRIVATE KEY-----"));
        let error = pem::authority(&one, &other_key).err().unwrap();
        assert_eq!(error.to_string(), "The CA's key does not belong to its certificate.");
        assert!(pem::authority("nonsense", &one_key).is_err());
        assert!(pem::authority(&one, "nonsense").is_err());
    }

    #[test]
    fn days_out_of_range_are_refused() {
        assert!(ca::make(0, &[]).is_err());
        assert!(ca::make(i64::MAX, &[]).is_err());
    }
}
