//! What an entry may say by itself, and the form it is kept in. Sentences are Consul's.

use super::{
    ConfigEntry, EntryBody, HttpMatch, IngressGateway, PROXY_DEFAULTS_NAME, ServiceResolver, ServiceRouter, ServiceSplitter,
    TerminatingGateway, WILDCARD,
};
use std::collections::HashSet;

/// Longest name of a subset.
const SUBSET_LEN_MAX: usize = 63;
/// Longest label and longest name in DNS (RFC 1035 §2.3.4).
const LABEL_LEN_MAX: usize = 63;
const HOST_LEN_MAX: usize = 255;
/// All parts together, in hundredths of a percent.
const WEIGHT_SUM: i64 = 100 * 100;

type Verdict = Result<(), String>;

impl ConfigEntry {
    /// Brings it into the form it is kept in: names of protocols and methods in one case.
    pub fn normalise(&mut self) {
        match &mut self.body {
            EntryBody::ProxyDefaults(_) => PROXY_DEFAULTS_NAME.clone_into(&mut self.name),
            EntryBody::ServiceDefaults(defaults) => defaults.protocol = defaults.protocol.to_lowercase(),
            EntryBody::ServiceRouter(router) => {
                let matches = router.routes.iter_mut().flatten().filter_map(|route| route.matches.as_mut()?.http.as_mut());
                for method in matches.flat_map(|http| &mut http.methods) {
                    *method = method.to_uppercase();
                }
            }
            EntryBody::IngressGateway(gateway) => {
                for listener in gateway.listeners.iter_mut().flatten() {
                    let protocol = listener.protocol.to_lowercase();
                    listener.protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol };
                }
            }
            EntryBody::ServiceSplitter(_) | EntryBody::ServiceResolver(_) | EntryBody::TerminatingGateway(_) => {}
        }
    }

    /// Refuses an entry that makes no sense whatever else there is.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn validate(&self) -> Result<(), String> {
        match &self.body {
            EntryBody::ProxyDefaults(_) | EntryBody::ServiceDefaults(_) => Ok(()),
            EntryBody::ServiceRouter(router) => named(&self.name).and_then(|()| of_router(router)),
            EntryBody::ServiceSplitter(splitter) => named(&self.name).and_then(|()| of_splitter(&self.name, splitter)),
            EntryBody::ServiceResolver(resolver) => named(&self.name).and_then(|()| of_resolver(&self.name, resolver)),
            EntryBody::IngressGateway(gateway) => of_ingress(gateway),
            EntryBody::TerminatingGateway(gateway) => of_terminating(gateway),
        }
    }
}

fn named(name: &str) -> Verdict {
    refuse_if(name.is_empty(), || "Name is required".to_owned())
}

fn refuse_if(wrong: bool, why: impl FnOnce() -> String) -> Verdict {
    if wrong { Err(why()) } else { Ok(()) }
}

fn of_router(router: &ServiceRouter) -> Verdict {
    for (at, route) in router.routes.iter().flatten().enumerate() {
        let http = route.matches.as_ref().and_then(|matches| matches.http.as_ref());
        if let Some(http) = http {
            of_match(at, http)?;
        }
        let has_path = http.is_some_and(|http| !http.path_exact.is_empty() || !http.path_prefix.is_empty());
        let rewrites = route.destination.as_ref().is_some_and(|destination| !destination.prefix_rewrite.is_empty());
        refuse_if(rewrites && !has_path, || {
            format!("Route[{at}] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix")
        })?;
    }
    Ok(())
}

fn of_match(at: usize, http: &HttpMatch) -> Verdict {
    for (field, path) in [("PathExact", &http.path_exact), ("PathPrefix", &http.path_prefix)] {
        refuse_if(!path.is_empty() && !path.starts_with('/'), || {
            format!("Route[{at}] {field} doesn't start with '/': {path:?}")
        })?;
    }
    let paths = [&http.path_exact, &http.path_prefix, &http.path_regex];
    refuse_if(paths.iter().filter(|path| !path.is_empty()).count() > 1, || {
        format!("Route[{at}] should only contain at most one of PathExact, PathPrefix, or PathRegex")
    })?;
    for (field, all, ways) in [
        ("Header", &http.header, "Present, Exact, Prefix, Suffix, or Regex"),
        ("QueryParam", &http.query_param, "Present, Exact, or Regex"),
    ] {
        for (number, text) in all.iter().enumerate() {
            let place = format!("Route[{at}] {field}[{number}]");
            refuse_if(text.name.is_empty(), || format!("{place} missing required Name field"))?;
            let texts = [&text.exact, &text.prefix, &text.suffix, &text.regex];
            let given = texts.iter().filter(|text| !text.is_empty()).count() + usize::from(text.present);
            refuse_if(given != 1, || format!("{place} should only contain one of {ways}"))?;
        }
    }
    let mut seen = HashSet::new();
    for method in &http.methods {
        refuse_if(!seen.insert(method), || format!("Route[{at}] Methods contains {method:?} more than once"))?;
    }
    Ok(())
}

fn of_splitter(name: &str, splitter: &ServiceSplitter) -> Verdict {
    refuse_if(splitter.splits.is_empty(), || "no splits configured".to_owned())?;
    let mut seen = HashSet::new();
    for split in &splitter.splits {
        let service = if split.service.is_empty() { name } else { &split.service };
        let (subset, namespace) = (split.service_subset.as_str(), split.namespace.as_str());
        refuse_if(!seen.insert((service, subset, namespace)), || {
            let place = format!("service={service:?}, subset={subset:?}, namespace={namespace:?}");
            format!("split destination occurs more than once: {place}")
        })?;
    }
    let sum = splitter.splits.iter().fold(0, |sum: i64, split| sum.saturating_add(split.weight.0));
    refuse_if(sum != WEIGHT_SUM, || {
        // Consul's numbers have the precision of 32 bits.
        let sum = f64::from(sum as f32 / 100.0);
        format!("the sum of all split weights must be 100, not {sum:.6}")
    })
}

fn of_resolver(name: &str, resolver: &ServiceResolver) -> Verdict {
    resolver.subsets.keys().try_for_each(|subset| of_subset(subset))?;
    let is_subset = |subset: &str| resolver.subsets.contains_key(subset);
    let default = &resolver.default_subset;
    refuse_if(!default.is_empty() && !is_subset(default), || format!("DefaultSubset {default:?} is not a valid subset"))?;
    if let Some(redirect) = &resolver.redirect {
        refuse_if(!resolver.failover.is_empty(), || "Redirect and Failover cannot both be set".to_owned())?;
        let (service, subset, namespace) = (&redirect.service, &redirect.service_subset, &redirect.namespace);
        if service.is_empty() {
            let empty = subset.is_empty() && namespace.is_empty() && redirect.datacenter.is_empty();
            refuse_if(empty, || "Redirect is empty".to_owned())?;
            refuse_if(!subset.is_empty(), || "Redirect.ServiceSubset defined without Redirect.Service".to_owned())?;
            refuse_if(!namespace.is_empty(), || "Redirect.Namespace defined without Redirect.Service".to_owned())?;
        } else if service == name {
            refuse_if(!subset.is_empty() && !is_subset(subset), || {
                format!("Redirect.ServiceSubset {subset:?} is not a valid subset of {service:?}")
            })?;
        }
    }
    for (of, failover) in &resolver.failover {
        refuse_if(of != WILDCARD && !is_subset(of), || format!("Bad Failover[{of:?}]: not a valid subset"))?;
        let (service, subset) = (&failover.service, &failover.service_subset);
        let empty = [service, subset, &failover.namespace].iter().all(|text| text.is_empty()) && failover.datacenters.is_empty();
        refuse_if(empty, || {
            format!("Bad Failover[{of:?}] one of Service, ServiceSubset, Namespace, or Datacenters is required")
        })?;
        let own = service.is_empty() || service == name;
        refuse_if(!subset.is_empty() && own && !is_subset(subset), || {
            format!("Bad Failover[{of:?}].ServiceSubset {subset:?} is not a valid subset of {service:?}")
        })?;
        refuse_if(failover.datacenters.iter().any(String::is_empty), || {
            format!("Bad Failover[{of:?}].Datacenters: found empty datacenter")
        })?;
    }
    let timeout = resolver.connect_timeout;
    refuse_if(timeout.0 < 0, || format!("Bad ConnectTimeout '{timeout}', must be >= 0"))
}

fn of_subset(name: &str) -> Verdict {
    refuse_if(name.is_empty(), || "Subset defined with empty name".to_owned())?;
    let invalid = |why: &str| format!("Subset {name:?} is invalid: {why}");
    refuse_if(name.len() > SUBSET_LEN_MAX, || invalid("must be non-empty and 63 characters or fewer"))?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(fits) && name.bytes().next_back().is_some_and(fits);
    refuse_if(!ends || !name.bytes().all(|byte| fits(byte) || byte == b'-'), || {
        invalid(
            "must be 63 characters or fewer, begin or end with lower case alphanumeric characters, and contain lower case alphanumeric characters or '-' in between",
        )
    })
}

fn of_ingress(gateway: &IngressGateway) -> Verdict {
    let mut ports = HashSet::new();
    for listener in gateway.listeners.iter().flatten() {
        let (port, protocol) = (listener.port, listener.protocol.as_str());
        let at = |why: &str| format!("{why} (listener on port {port})");
        refuse_if(!ports.insert(port), || format!("port {port} declared on two listeners"))?;
        refuse_if(!["tcp", "http", "http2", "grpc"].contains(&protocol), || {
            format!("protocol must be 'tcp', 'http', 'http2', or 'grpc'. '{protocol}' is an unsupported protocol")
        })?;
        let services = listener.services.as_deref().unwrap_or_default();
        refuse_if(services.is_empty(), || format!("No service declared for listener with port {port}"))?;
        refuse_if(protocol != "http" && services.len() > 1, || {
            at("Multiple services per listener are only supported for protocol = 'http'")
        })?;
        let mut hosts_seen = HashSet::new();
        for service in services {
            let hosts = service.hosts.as_deref().unwrap_or_default();
            let is_wildcard = service.name == WILDCARD;
            refuse_if(protocol == "tcp" && is_wildcard, || at("Wildcard service name is only valid for protocol = 'http'"))?;
            refuse_if(protocol == "tcp" && !hosts.is_empty(), || {
                at("Associating hosts to a service is not supported for the tcp protocol")
            })?;
            refuse_if(service.name.is_empty(), || at("Service name cannot be blank"))?;
            refuse_if(is_wildcard && !hosts.is_empty(), || at("Associating hosts to a wildcard service is not supported"))?;
            for host in hosts {
                refuse_if(!hosts_seen.insert(host), || at("Hosts must be unique within a specific listener"))?;
                of_host(host, gateway.tls.enabled)?;
            }
        }
    }
    Ok(())
}

fn of_host(host: &str, tls: bool) -> Verdict {
    if host == WILDCARD {
        return refuse_if(tls, || {
            "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records to add as a DNSSAN".to_owned()
        });
    }
    let labels = host.strip_suffix('.').unwrap_or(host);
    let is_name = host.len() <= HOST_LEN_MAX && labels.split('.').all(|label| !label.is_empty() && label.len() <= LABEL_LEN_MAX);
    refuse_if(!is_name, || format!("Host {host:?} must be a valid DNS hostname"))?;
    refuse_if(host.strip_prefix("*.").unwrap_or(host).contains('*'), || {
        format!("Host {host:?} is not valid, a wildcard specifier is only allowed as the leftmost label")
    })
}

fn of_terminating(gateway: &TerminatingGateway) -> Verdict {
    let mut seen = HashSet::new();
    for service in gateway.services.iter().flatten() {
        let name = &service.name;
        refuse_if(name.is_empty(), || "Service name cannot be blank.".to_owned())?;
        refuse_if(!seen.insert(name), || format!("Service {name:?} was specified more than once within a namespace"))?;
        let files = [&service.ca_file, &service.cert_file, &service.key_file].map(|file| !file.is_empty());
        let [_, cert, key] = files;
        refuse_if((cert || key) && files.contains(&false), || {
            format!("Service {name:?} must have a CertFile, CAFile, and KeyFile specified for TLS origination")
        })?;
    }
    Ok(())
}
