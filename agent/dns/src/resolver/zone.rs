//! Whose a name is: within our domains, an address in reverse, or somebody else's.

use crate::error::BindError;
use crate::settings::DnsSettings;
use crate::wire::WireName;

/// Our domains.
#[derive(Debug)]
pub(crate) struct Zone {
    /// The domain, lower case.
    pub(crate) domain: WireName,
    /// The same as text, with the final dot.
    pub(crate) text: String,
    /// The labels of each domain.
    domains: Vec<Vec<String>>,
}

/// Where a name belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Belongs<'a, 'b> {
    /// Within a domain of ours: the labels before it.
    Ours(&'a [&'b str]),
    /// Below `arpa`.
    Arpa,
    /// Anywhere else.
    Elsewhere,
}

impl Zone {
    pub(crate) fn new(settings: &DnsSettings) -> Result<Self, BindError> {
        let read = |text: &str| {
            let name = WireName::from_text(&text.to_lowercase());
            name.ok_or_else(|| BindError::Domain(text.to_owned()))
        };
        let domain = read(&settings.domain)?;
        let mut domains = vec![domain.lower_labels()];
        if !settings.alt_domain.is_empty() {
            domains.push(read(&settings.alt_domain)?.lower_labels());
        }
        // The longer of two that both match decides.
        domains.sort_by_key(|labels| std::cmp::Reverse(labels.len()));
        let text = format!("{}.", domain.lower_labels().join("."));
        Ok(Self { domain, text: if text == "." { String::new() } else { text }, domains })
    }

    pub(crate) fn place<'a, 'b>(&self, labels: &'a [&'b str]) -> Belongs<'a, 'b> {
        let arpa = labels.last() == Some(&"arpa");
        for domain in self.domains.iter().filter(|d| !arpa || !d.is_empty()) {
            if let Some(cut) = labels.len().checked_sub(domain.len())
                && labels[cut..].iter().zip(domain).all(|(a, b)| a == b)
            {
                return Belongs::Ours(&labels[..cut]);
            }
        }
        if arpa { Belongs::Arpa } else { Belongs::Elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_to_the_longest_domain() {
        let settings = |domain: &str, alt: &str| DnsSettings {
            domain: domain.to_owned(),
            alt_domain: alt.to_owned(),
            ..DnsSettings::default()
        };
        let zone = Zone::new(&settings("Lic.Test.", "sub.lic.test")).unwrap();
        assert_eq!(zone.text, "lic.test.");
        for (name, want) in [
            ("a.node.lic.test", Belongs::Ours(["a", "node"].as_slice())),
            ("a.node.sub.lic.test", Belongs::Ours(&["a", "node"])),
            ("lic.test", Belongs::Ours(&[])),
            ("test", Belongs::Elsewhere),
            ("xlic.test", Belongs::Elsewhere),
            ("1.in-addr.arpa", Belongs::Arpa),
        ] {
            assert_eq!(zone.place(&name.split('.').collect::<Vec<_>>()), want, "{name}");
        }
        assert!(Zone::new(&settings("a..b", "")).is_err());
        let root = Zone::new(&settings(".", "")).unwrap();
        assert_eq!(root.place(&["a", "node"]), Belongs::Ours(&["a", "node"]));
        assert_eq!(root.place(&["arpa"]), Belongs::Arpa);
    }
}
