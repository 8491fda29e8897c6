//! Where a request really comes from, when a proxy that we trust tells.
//!
//! A proxy appends whom it heard from. Read from the right, the first address
//! that is none of our proxies is the caller; what stands left of it was written
//! by the caller themselves and counts for nothing.

use crate::config::{AddressRange, ForwardedHeader};
use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// Hops looked at: more are a loop or an attempt.
const HOPS_MAX: usize = 32;

/// Who may say on whose behalf they ask.
pub struct Proxies {
    trusted: Vec<AddressRange>,
    header: ForwardedHeader,
}

impl Proxies {
    pub fn new(trusted: Vec<AddressRange>, header: ForwardedHeader) -> Self {
        Self { trusted, header }
    }

    /// The caller behind `peer`, who opened the connection.
    pub fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if self.trusted.is_empty() || !self.trust(peer) {
            return peer;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let lines: Vec<&str> =
            headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let mut caller = peer;
        for hop in hops.take(HOPS_MAX) {
            let address = match self.header {
                ForwardedHeader::XForwardedFor => address(hop),
                ForwardedHeader::Forwarded => for_of(hop),
            };
            // What is hidden or unreadable ends what can be known.
            let Some(address) = address else { break };
            caller = address;
            if !self.trust(address) {
                break;
            }
        }
        caller
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|range| range.contains(address))
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let alone = bare.parse::<IpAddr>().ok();
    let address = alone.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

/// The `for` of one hop of `Forwarded` (RFC 7239).
fn for_of(hop: &str) -> Option<IpAddr> {
    hop.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let is_for = key.trim().eq_ignore_ascii_case("for");
        is_for.then(|| address(value.trim().trim_matches('"')))?
    })
}

#[cfg(test)]
mod tests {
    use super::Proxies;
    use crate::config::ForwardedHeader::{self, Forwarded, XForwardedFor};
    use axum::http::HeaderMap;

    fn caller(header: ForwardedHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|range| range.parse().expect(range));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a header"));
        }
        let peer = peer.parse().expect("an address");
        Proxies::new(trusted.to_vec(), header).caller(peer, &headers).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_not_trusted_is_the_caller() {
        let check = |peer, value: &str, expected| {
            let found = caller(XForwardedFor, peer, &[("x-forwarded-for", value)]);
            assert_eq!(found, expected, "{peer} {value}");
        };
        check("10.0.0.1", "198.51.100.7", "198.51.100.7");
        check("10.0.0.1", "1.2.3.4, 198.51.100.7, 10.9.9.9", "198.51.100.7");
        check("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1");
        check("10.0.0.1", "198.51.100.7:4711", "198.51.100.7");
        check("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1");
        check("fd00::1", "2001:db8::1", "2001:db8::1");
        check("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7");
        check("10.0.0.1", "198.51.100.7, ::ffff:10.9.9.9", "198.51.100.7");
        check("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1");
        check("10.0.0.1", "", "10.0.0.1");
        check("198.51.100.9", "1.2.3.4", "198.51.100.9");
    }

    #[test]
    fn several_lines_count_as_one_list() {
        let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "198.51.100.7, 10.1.1.1")];
        assert_eq!(caller(XForwardedFor, "10.0.0.1", &lines), "198.51.100.7");
    }

    #[test]
    fn only_the_configured_header_is_believed() {
        let lines = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=198.51.100.7")];
        assert_eq!(caller(Forwarded, "10.0.0.1", &lines), "198.51.100.7");
        assert_eq!(caller(XForwardedFor, "10.0.0.1", &lines), "1.2.3.4");
        assert_eq!(caller(Forwarded, "10.0.0.1", &lines[..1]), "10.0.0.1");
    }

    #[test]
    fn a_hop_of_forwarded_is_read_by_its_for() {
        let check = |value: &str, expected| {
            assert_eq!(caller(Forwarded, "10.0.0.1", &[("forwarded", value)]), expected, "{value}");
        };
        check("for=198.51.100.7;proto=https;by=10.0.0.1", "198.51.100.7");
        check("For=\"[2001:db8::1]:4711\"", "2001:db8::1");
        check("for=1.2.3.4, for=198.51.100.7, for=10.3.3.3", "198.51.100.7");
        check("for=1.2.3.4, for=_hidden", "10.0.0.1");
        check("proto=https", "10.0.0.1");
    }
}
