//! The second factor: a code by time (RFC 6238), as authenticator apps show it.

use domain::Timestamp;
use state::Totp;
use totp_rs::{Builder, Secret};

/// What apps show beside the name.
const ISSUER: &str = "Tieline";
/// Steps of 30 s before and after in which a code is taken, for clocks that differ.
const SKEW: u16 = 1;

/// One by chance, not on yet; `None` where the system has no randomness.
pub fn made() -> Option<Totp> {
    let mut bytes = [0; 20];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(Totp { secret: Secret::new_stack(bytes).to_base32(), is_on: false })
}

fn opened(totp: &Totp, name: &str) -> Option<totp_rs::Totp> {
    let secret = Secret::try_from_base32(&totp.secret).ok()?;
    // An app tells issuer and name apart by a colon.
    let name = name.replace(':', "_");
    Builder::new()
        .with_secret(secret)
        .with_skew(SKEW)
        .with_issuer(Some(ISSUER))
        .with_account_name(name)
        .build()
        .ok()
}

/// What an app takes in by a link or a picture.
pub fn uri(totp: &Totp, name: &str) -> Option<String> {
    opened(totp, name)?.to_url().ok()
}

/// The step whose code this is; it must be used up before it counts.
pub fn step_of(totp: &Totp, code: &str, now: Timestamp) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let seconds = u64::try_from(now.0).ok()? / 1_000;
    opened(totp, "x")?.check(&code, seconds).and_then(|step| i64::try_from(step).ok())
}

#[cfg(test)]
mod tests {
    use super::{made, step_of, uri};
    use domain::Timestamp;
    use state::Totp;

    /// The secret of RFC 6238, appendix B, and its codes in six digits.
    fn known() -> Totp {
        Totp { secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned(), is_on: true }
    }

    #[test]
    fn the_codes_are_those_of_the_standard() {
        let check = |code: &str, at_s: i64, expected: Option<i64>| {
            assert_eq!(step_of(&known(), code, Timestamp(at_s * 1_000)), expected, "{code} {at_s}");
        };
        check("287082", 59, Some(1));
        check("081804", 1_111_111_109, Some(37_037_036));
        check("005924", 1_234_567_890, Some(41_152_263));
        check("005 924", 1_234_567_890, Some(41_152_263));
        // A step early or late, and no more.
        check("005924", 1_234_567_890 + 30, Some(41_152_263));
        check("005924", 1_234_567_890 + 90, None);
        for odd in ["", "5924", "005925", "0059240", "abcdef", "００５９２４"] {
            check(odd, 1_234_567_890, None);
        }
    }

    #[test]
    fn an_app_is_told_whose_it_is() {
        let totp = made().expect("made");
        let told = uri(&totp, "ada@example.com").expect("an address");
        assert!(told.starts_with("otpauth://totp/Tieline:ada%40example.com?"), "{told}");
        assert!(told.contains(&format!("secret={}", totp.secret)), "{told}");
        assert_ne!(made().expect("made").secret, totp.secret);
    }
}
