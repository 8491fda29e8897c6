//! Where things are in HubSpot's API, by the version of its paths.
//!
//! Dated versions (`/crm/objects/2026-09/contacts`) replace the numbered ones
//! (`/crm/v3/objects/contacts`), which end in September 2027. Associations were `v4` there.

/// The paths of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paths(Version);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    V3,
    Dated(String),
}

impl Paths {
    /// `v3`, or a year and month.
    pub(super) fn of(version: &str) -> Option<Self> {
        if version == "v3" {
            return Some(Self(Version::V3));
        }
        let (year, month) = version.split_once('-')?;
        let is_number =
            |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
        let fits = is_number(year, 4) && is_number(month, 2);
        fits.then(|| Self(Version::Dated(version.to_owned())))
    }

    /// Records of a type: `contacts`, `2-123456`.
    pub(super) fn objects(&self, object: &str) -> String {
        match &self.0 {
            Version::V3 => format!("/crm/v3/objects/{object}"),
            Version::Dated(date) => format!("/crm/objects/{date}/{object}"),
        }
    }

    /// What ties one record to those of another type.
    pub(super) fn links(&self, object: &str, id: &str) -> String {
        match &self.0 {
            Version::V3 => format!("/crm/v4/objects/{object}/{id}/associations"),
            Version::Dated(date) => format!("/crm/objects/{date}/{object}/{id}/associations"),
        }
    }

    /// One property's description.
    pub(super) fn property(&self, object: &str, property: &str) -> String {
        match &self.0 {
            Version::V3 => format!("/crm/v3/properties/{object}/{property}"),
            Version::Dated(date) => format!("/crm/properties/{date}/{object}/{property}"),
        }
    }

    /// Where tokens are given.
    pub(super) fn token(&self) -> String {
        match &self.0 {
            Version::V3 => "/oauth/v3/token".to_owned(),
            Version::Dated(date) => format!("/oauth/{date}/token"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Paths;

    #[test]
    fn paths_are_of_the_version_that_was_set() {
        let dated = Paths::of("2026-09").expect("a version");
        assert_eq!(dated.objects("contacts"), "/crm/objects/2026-09/contacts");
        assert_eq!(dated.links("calls", "7"), "/crm/objects/2026-09/calls/7/associations");
        assert_eq!(dated.property("contacts", "email"), "/crm/properties/2026-09/contacts/email");
        assert_eq!(dated.token(), "/oauth/2026-09/token");
        let numbered = Paths::of("v3").expect("a version");
        assert_eq!(numbered.objects("contacts"), "/crm/v3/objects/contacts");
        assert_eq!(numbered.links("calls", "7"), "/crm/v4/objects/calls/7/associations");
        for text in ["", "v4", "2026", "2026-9", "26-09", "2026-09/../x", "2026-0a"] {
            assert_eq!(Paths::of(text), None, "{text}");
        }
    }
}
