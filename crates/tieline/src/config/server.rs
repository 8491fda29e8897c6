//! The section `[server]`: where Tieline listens, who may ask, and how often.

use super::{Period, SecretSource};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where Tieline listens and who may ask.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    /// Address and port.
    pub listen: SocketAddr,
    /// Keys that may do everything, as `Authorization: Bearer …`, `X-API-Key` or the
    /// password of Basic. At least one; there is no default key. Keys for a single
    /// purpose are made with `tieline api-keys create`.
    pub api_keys: Vec<SecretSource>,
    /// Requests a minute of each key that has no limit of its own; 0 for none. A
    /// key may use a whole minute's at once.
    pub requests_per_minute: u32,
    /// Proxies whose word is taken for where a request comes from, as addresses or
    /// ranges (`10.0.0.0/8`). Nobody's, when empty.
    pub trusted_proxies: Vec<AddressRange>,
    /// The header in which they tell it. Only this one is read: a proxy passes the
    /// other on as the caller wrote it.
    pub forwarded_header: ForwardedHeader,
    /// Speak TLS. Without it, plain HTTP, for a proxy in front.
    pub tls: Option<TlsSection>,
    /// Connections open at once; more wait to be accepted. Streams have at most three
    /// quarters of them.
    pub connections_max: usize,
    /// At the start, ask the vendor of each connection what its credentials may do: what
    /// actions need and was not granted, and an administrator's breadth, are warned of in the
    /// log and on the connection's health. No call waits for it.
    pub check_at_start: bool,
    /// On SIGTERM: how long requests and jobs under way may take to end.
    pub drain: Period,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            api_keys: Vec::new(),
            requests_per_minute: 0,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            tls: None,
            connections_max: 16_000,
            check_at_start: true,
            drain: Period::ms(10_000),
        }
    }
}

/// TLS, without a proxy in front. Both files are looked at every few seconds and on
/// SIGHUP; a pair that cannot be used is refused, and the one before stays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// File with the certificate and those between it and its root, as PEM.
    pub certificate: PathBuf,
    /// File with its private key, as PEM.
    pub key: PathBuf,
}

/// The header in which a trusted proxy tells where a request comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedHeader {
    #[default]
    XForwardedFor,
    Forwarded,
}

/// An address, or a range of them: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    /// How many of its bits are compared.
    bits: u32,
}

impl AddressRange {
    /// Whether the address lies in it. IPv4 within IPv6 is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                let differ = u32::from(range) ^ u32::from(address);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                let differ = u128::from(range) ^ u128::from(address);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address and no range: write 10.0.0.0/8");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.trim().parse().map_err(|_| wrong())?,
        };
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl<'de> Deserialize<'de> for AddressRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for AddressRange {
    fn schema_name() -> Cow<'static, str> {
        "AddressRange".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::AddressRange;

    #[test]
    fn a_range_contains_what_shares_its_first_bits() {
        let check = |range: &str, address: &str, expected| {
            let range: AddressRange = range.parse().expect(range);
            assert_eq!(range.contains(address.parse().expect(address)), expected, "{address}");
        };
        check("10.0.0.0/8", "10.255.1.2", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("fd00::/8", "fd12::1", true);
        check("fd00::/8", "fe00::1", false);
        check("::/0", "2001:db8::1", true);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/", "proxy.example", "/8"] {
            assert!(text.parse::<AddressRange>().is_err(), "{text}");
        }
    }
}
