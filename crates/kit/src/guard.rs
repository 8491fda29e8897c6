//! Refuses to send a request into the operator's own network.
//!
//! A connection's address may come from a console user; without this guard it
//! could reach metadata services and databases behind the firewall. Checked on
//! the address itself and on every DNS answer; redirects are never followed.
//!
//! Behind a proxy the DNS answers are the proxy's and never seen here: then only
//! [`check_host`] stands, and the proxy must refuse what lies behind a name.

use crate::{Error, Network};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// May this address be asked by a connection that was not allowed private ones?
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(a: Ipv4Addr) -> bool {
    let [first, second, third, _] = a.octets();
    let is_shared = first == 100 && (64..128).contains(&second);
    let is_benchmark = first == 198 && (second == 18 || second == 19);
    let is_protocol = first == 192 && second == 0 && third == 0;
    !(a.is_private()
        || a.is_loopback()
        || a.is_link_local()
        || a.is_broadcast()
        || a.is_documentation()
        || a.is_multicast()
        || first == 0
        || first >= 240
        || is_shared
        || is_benchmark
        || is_protocol)
}

fn is_public_v6(a: Ipv6Addr) -> bool {
    let segments = a.segments();
    if let Some(v4) = a.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    // NAT64 and 6to4 carry an IPv4 address inside.
    if segments[0] == 0x64 && segments[1] == 0xff9b {
        let [.., high, low] = segments;
        return is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    }
    if segments[0] == 0x2002 {
        let inner = (u32::from(segments[1]) << 16) | u32::from(segments[2]);
        return is_public_v4(Ipv4Addr::from(inner));
    }
    let is_unique_local = segments[0] & 0xfe00 == 0xfc00;
    let is_link_local = segments[0] & 0xffc0 == 0xfe80;
    let is_documentation = segments[0] == 0x2001 && segments[1] == 0xdb8;
    !(a.is_loopback()
        || a.is_unspecified()
        || a.is_multicast()
        || is_unique_local
        || is_link_local
        || is_documentation
        || segments[..6] == [0; 6])
}

/// Refuses an address that says by itself that it is not public: an IP, or a name
/// that means the machine it is said on. Asked before anything is sent, so that
/// it holds whoever resolves names.
///
/// # Errors
/// A sentence that names the host.
pub fn check_host(url: &Url) -> Result<(), String> {
    let is_allowed = match url.host() {
        Some(Host::Ipv4(v4)) => is_public_v4(v4),
        Some(Host::Ipv6(v6)) => is_public_v6(v6),
        Some(Host::Domain(name)) => !is_this_machine(name),
        None => return Err("the address has no host".to_owned()),
    };
    if is_allowed { Ok(()) } else { Err(refusal(url.host_str().unwrap_or_default())) }
}

/// Where a host can be reached that speaks no HTTP: every address the system knows for it,
/// save those that the connection may not have. Connect to one of these and to nothing that
/// is resolved anew, or the answer may be another by then.
///
/// # Errors
/// `Invalid` naming `host` when it may not be asked; `Unavailable` when nobody knows it.
pub async fn addresses(host: &str, port: u16, network: &Network) -> Result<Vec<SocketAddr>, Error> {
    check_name(host, network)?;
    let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
    // The system's sentence says which way it asked, and that is nobody's matter.
    let found = found.map_err(|_| Error::unavailable(format!("the name {host} has no address")))?;
    of_answer(host, found, network)
}

/// Those of the addresses that a name was answered with which the connection may have.
fn of_answer(
    host: &str,
    found: impl Iterator<Item = SocketAddr>,
    network: &Network,
) -> Result<Vec<SocketAddr>, Error> {
    let is_allowed =
        |address: &SocketAddr| network.allow_private_addresses || is_public(address.ip());
    let allowed: Vec<SocketAddr> = found.filter(is_allowed).collect();
    if allowed.is_empty() { Err(refused(refusal(host))) } else { Ok(allowed) }
}

/// [`check_host`] for a host without an address of the web, as [`addresses`] begins; asks nobody.
///
/// # Errors
/// `Invalid` naming `host`.
pub fn check_name(host: &str, network: &Network) -> Result<(), Error> {
    let host = host.trim_matches(['[', ']']);
    let parsed = match host.parse::<Ipv6Addr>() {
        Ok(v6) => Host::Ipv6(v6),
        Err(_) => Host::parse(host).map_err(|_| refused(format!("{host} is no host")))?,
    };
    let is_allowed = network.allow_private_addresses
        || match &parsed {
            Host::Ipv4(v4) => is_public_v4(*v4),
            Host::Ipv6(v6) => is_public_v6(*v6),
            Host::Domain(name) => !is_this_machine(name),
        };
    if is_allowed { Ok(()) } else { Err(refused(refusal(host))) }
}

fn refused(reason: String) -> Error {
    Error::Invalid { field: Some("host".to_owned()), reason }
}

/// `localhost` and what is below it (RFC 6761 §6.3), and the names that usual
/// hosts files give the same address.
fn is_this_machine(name: &str) -> bool {
    const ALIASES: [&str; 5] =
        ["localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"];
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ALIASES.contains(&name.as_str()) || name.ends_with(".localhost")
}

fn refusal(host: &str) -> String {
    format!("{host} is a private address; allow_private_addresses = true permits it")
}

/// Resolves names by the system and drops every address that is not public.
#[derive(Debug, Clone, Default)]
pub struct PublicOnly {
    /// Names that may have any address, in lower case: the way out is through them.
    pub except: Vec<String>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let is_excepted = self.except.iter().any(|host| name.as_str().eq_ignore_ascii_case(host));
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed = found.filter(|a| is_excepted || is_public(a.ip()));
            let public: Vec<SocketAddr> = allowed.collect();
            if public.is_empty() {
                return Err(refusal(&host).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{PublicOnly, addresses, check_host, is_public, of_answer};
    use crate::{Error, Network};
    use reqwest::dns::Resolve as _;
    use url::Url;

    #[tokio::test]
    async fn a_host_that_speaks_no_http_is_guarded_as_well() {
        let (open, shut) =
            (Network { allow_private_addresses: true, ..Network::default() }, Network::default());
        for host in ["127.0.0.1", "::1", "[::1]", "0x7f.1", "localhost", "10.0.0.5", "db.localhost"]
        {
            let error = addresses(host, 5432, &shut).await.expect_err(host);
            let named = Some("host".to_owned());
            assert!(matches!(error, Error::Invalid { field, .. } if field == named), "{host}");
        }
        let found = addresses("127.0.0.1", 5432, &open).await.expect("allowed");
        assert_eq!(found, ["127.0.0.1:5432".parse().expect("an address")]);
        let found = addresses("8.8.8.8", 5432, &shut).await.expect("public");
        assert_eq!(found, ["8.8.8.8:5432".parse().expect("an address")]);
        assert!(addresses("no host/at all", 5432, &open).await.is_err());
    }

    #[test]
    fn of_what_a_name_is_answered_with_only_the_public_remains() {
        let (open, shut) =
            (Network { allow_private_addresses: true, ..Network::default() }, Network::default());
        let all = ["10.0.0.5:5432", "8.8.8.8:5432", "[fd00::1]:5432", "169.254.169.254:80"];
        let all = all.map(|text| text.parse().expect(text));
        let public = of_answer("db.example.com", all.into_iter(), &shut).expect("one is public");
        assert_eq!(public, all[1..2]);
        assert_eq!(of_answer("db.example.com", all.into_iter(), &open).expect("all"), all);
        let hidden = of_answer("db.example.com", all[2..].iter().copied(), &shut);
        let named = Some("host".to_owned());
        assert!(matches!(hidden, Err(Error::Invalid { field, .. }) if field == named));
    }

    #[test]
    fn private_addresses_are_refused_however_they_are_written() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.2.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(text.parse().expect(text)), "{text}");
        }
        for text in ["http://127.1/", "http://0x7f.1/", "http://2130706433/", "http://[::1]/"] {
            let url = Url::parse(text).expect(text);
            assert!(check_host(&url).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_for_this_machine_is_refused_without_asking_anybody() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "crm.localhost",
            "a.b.LocalHost",
            "localhost.localdomain",
            "ip6-loopback",
            "127.0.0.1.",
        ] {
            let url = Url::parse(&format!("https://{host}:8443/x")).expect(host);
            assert!(check_host(&url).is_err(), "{host}");
        }
        for host in ["localhost.example.com", "mylocalhost", "api.example.com", "8.8.8.8"] {
            let url = Url::parse(&format!("https://{host}/")).expect(host);
            assert_eq!(check_host(&url), Ok(()), "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_refused_by_its_answer() {
        // Every machine resolves this one without asking anybody.
        let resolve = |guard: &PublicOnly| guard.resolve("localhost".parse().expect("a name"));
        let refused = resolve(&PublicOnly::default()).await.err().expect("loopback");
        assert!(refused.to_string().contains("private address"), "{refused}");
        let proxy = PublicOnly { except: vec!["localhost".to_owned()] };
        assert!(resolve(&proxy).await.is_ok(), "the way out may have any address");
    }

    #[test]
    fn public_addresses_pass() {
        for text in ["8.8.8.8", "13.110.1.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
    }
}
