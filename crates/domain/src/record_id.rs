//! How one system writes the ids of its records: padded, in capitals, behind a prefix.
//!
//! Ids of one record reach Tieline in many spellings (`4711` typed by an agent,
//! `0000004711` out of a file). [`IdFormat::write`] gives the one that the system expects,
//! [`IdFormat::read`] the bare id; two spellings are one record where these are the same.

/// The form of a system's ids. The default leaves every id as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdFormat {
    /// An id of digits alone is filled with zeros to so many; 0 leaves it as it is.
    pub pad: usize,
    /// Letters are capitals.
    pub upper: bool,
    /// What stands before every id.
    pub prefix: String,
}

/// Longest id that is written otherwise than it came: what is longer is no id.
const ID_MAX: usize = 200;

impl IdFormat {
    /// The id as the system writes it. Outer space is taken off.
    #[must_use]
    pub fn write(&self, id: &str) -> String {
        if *self == Self::default() {
            return id.trim().to_owned();
        }
        let bare = self.read(id);
        if bare.is_empty() || bare.len() > ID_MAX {
            return bare;
        }
        let is_number = bare.bytes().all(|b| b.is_ascii_digit());
        let padded = if is_number { format!("{bare:0>width$}", width = self.pad) } else { bare };
        format!("{}{padded}", self.prefix)
    }

    /// The id without what the format adds.
    #[must_use]
    pub fn read(&self, id: &str) -> String {
        let id = id.trim();
        let id = if self.upper { id.to_uppercase() } else { id.to_owned() };
        let id = match id.strip_prefix(&self.prefix) {
            // A prefix alone is an id that happens to look like one.
            Some(bare) if !bare.is_empty() => bare.to_owned(),
            _ => id,
        };
        let is_number = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        if self.pad == 0 || !is_number {
            return id;
        }
        let bare = id.trim_start_matches('0');
        if bare.is_empty() { "0".to_owned() } else { bare.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::IdFormat;
    use proptest::prelude::*;

    fn format(pad: usize, upper: bool, prefix: &str) -> IdFormat {
        IdFormat { pad, upper, prefix: prefix.to_owned() }
    }

    #[test]
    fn an_id_is_written_as_its_system_writes_it() {
        let check = |format: &IdFormat, id: &str, expected: &str| {
            assert_eq!(format.write(id), expected, "{id}");
        };
        let sap = format(10, false, "");
        check(&sap, "4711", "0000004711");
        check(&sap, " 0000004711 ", "0000004711");
        check(&sap, "00000000004711", "0000004711");
        check(&sap, "BP4711", "BP4711");
        check(&sap, "0", "0000000000");
        check(&sap, "12345678901", "12345678901");
        check(&sap, "", "");
        let shop = format(6, true, "C-");
        for id in ["ab12", "c-ab12", "C-AB12"] {
            check(&shop, id, "C-AB12");
        }
        check(&shop, "12", "C-000012");
        check(&shop, "C-000012", "C-000012");
        check(&format(0, false, ""), "0035g00000ABCdEAAW", "0035g00000ABCdEAAW");
    }

    #[test]
    fn spellings_of_one_record_read_as_one() {
        let shop = format(6, true, "C-");
        for id in ["12", "000012", "c-12", "C-000012", " C-12"] {
            assert_eq!(shop.read(id), "12", "{id}");
        }
        assert_ne!(shop.read("13"), shop.read("130"));
    }

    proptest! {
        #[test]
        fn a_written_id_reads_back_as_the_same_record_and_is_written_the_same_again(
            id in "[0-9A-Za-z:_-]{0,24}", pad in 0_usize..20, upper: bool, prefix in "[A-Z0-9]{0,3}[-_/]",
        ) {
            for prefix in [prefix.as_str(), ""] {
                let format = format(pad, upper, prefix);
                // An id that begins with its own prefix twice is one that nobody has.
                prop_assume!(prefix.is_empty() || !format.read(&id).starts_with(prefix));
                let written = format.write(&id);
                prop_assert_eq!(format.read(&written), format.read(&id), "{}", written);
                prop_assert_eq!(format.write(&written), written);
            }
        }
    }
}
