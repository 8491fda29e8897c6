//! Every key of the store: one master outside, the rest wrapped by it inside.
//!
//! `data` keys seal what is personal; the newest seals, all of them open, so
//! that keys can rotate. The `index` key makes the hashes by which sealed
//! things are found. The `phone_id` key makes the public `PHONE:` ids and
//! outlives every rotation, because those ids lie in other systems.
//!
//! The master key never lies in the store. A wrong one is noticed before
//! anything is changed.

mod master;
mod seal;

pub use master::MasterKey;

use crate::error::{Error, Result};
use crate::sql::Tx;
use aws_lc_rs::{hmac, rand};
use domain::Timestamp;
use seal::DataKey;
use zeroize::Zeroizing;

/// 16 bytes of a keyed hash: how a sealed thing is found.
pub(crate) type Hash = [u8; 16];

/// The unwrapped keys, as one process holds them.
pub(crate) struct Keyring {
    /// Ascending by id; the last one that is not retired seals.
    data: Vec<DataKey>,
    sealing: usize,
    index: hmac::Key,
    phone_id: hmac::Key,
}

const DATA: &str = "data";
const INDEX: &str = "index";
const PHONE_ID: &str = "phone_id";

impl Keyring {
    /// Reads every key; `None` when the store has none yet.
    pub(crate) async fn load(tx: &mut Tx<'_>, master: &MasterKey) -> Result<Option<Self>> {
        let rows =
            tx.rows("SELECT id, purpose, wrapped, retired_at FROM keys ORDER BY id", &[]).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let (mut data, mut sealing, mut index, mut phone_id) = (Vec::new(), None, None, None);
        for row in rows {
            let id = key_id(row.int(0)?)?;
            let purpose = row.text(1)?;
            let plain = master.unwrap(id, purpose, row.blob(2)?)?;
            match purpose {
                DATA => {
                    if row.opt_int(3)?.is_none() {
                        sealing = Some(data.len());
                    }
                    data.push(DataKey::new(id, &plain)?);
                }
                INDEX => index = Some(hmac::Key::new(hmac::HMAC_SHA256, &plain[..])),
                PHONE_ID => phone_id = Some(hmac::Key::new(hmac::HMAC_SHA256, &plain[..])),
                _ => {} // of a later version that still opens with this schema
            }
        }
        match (sealing, index, phone_id) {
            (Some(sealing), Some(index), Some(phone_id)) => {
                Ok(Some(Self { data, sealing, index, phone_id }))
            }
            _ => Err(Error::Corrupt { what: "a key is missing" }),
        }
    }

    /// Makes the first key of each purpose.
    pub(crate) async fn create(tx: &mut Tx<'_>, master: &MasterKey, now: Timestamp) -> Result<()> {
        for purpose in [DATA, INDEX, PHONE_ID] {
            add(tx, master, purpose, now).await?;
        }
        Ok(())
    }

    /// Adds a data key, which from then on seals. The others go on opening.
    pub(crate) async fn rotate(tx: &mut Tx<'_>, master: &MasterKey, now: Timestamp) -> Result<()> {
        add(tx, master, DATA, now).await
    }

    /// Seals to one cell of one row: it opens nowhere else.
    pub(crate) fn seal(&self, column: &'static str, row: &[u8], plain: Vec<u8>) -> Result<Vec<u8>> {
        self.data[self.sealing].seal(column, row, plain)
    }

    /// Opens what [`seal`](Self::seal) made for the same cell.
    pub(crate) fn open(&self, column: &'static str, row: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let id = seal::key_of(sealed)?;
        let key = self.data.iter().find(|key| key.id == id).ok_or(Error::UnknownKey { id })?;
        key.open(column, row, sealed)
    }

    /// Whether the key that seals now has sealed this.
    pub(crate) fn is_newest(&self, sealed: &[u8]) -> Result<bool> {
        Ok(seal::key_of(sealed)? == self.data[self.sealing].id)
    }

    /// The hash by which a thing of this kind is found.
    pub(crate) fn hash(&self, kind: &'static str, parts: &[&str]) -> Hash {
        let mut context = hmac::Context::with_key(&self.index);
        for part in std::iter::once(&kind).chain(parts) {
            // Length first, so that ("ab", "c") is not ("a", "bc").
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        first_16(context.sign().as_ref())
    }

    /// A key of its own for one purpose outside of the store's tables.
    pub(crate) fn derive(&self, purpose: &'static str) -> Zeroizing<[u8; 32]> {
        let mut context = hmac::Context::with_key(&self.index);
        // As in `hash`, which never hashes this kind.
        for part in ["derived", purpose] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(context.sign().as_ref());
        key
    }

    /// The public id of a number: 32 lower-case hex digits.
    pub(crate) fn phone_id(&self, e164: &str) -> String {
        hex(&first_16(hmac::sign(&self.phone_id, e164.as_bytes()).as_ref()))
    }
}

/// Lower-case hex digits. The text never grows, so that a secret leaves no copy behind.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

async fn add(tx: &mut Tx<'_>, master: &MasterKey, purpose: &str, now: Timestamp) -> Result<()> {
    let last = tx.rows("SELECT id FROM keys ORDER BY id DESC LIMIT 1", &[]).await?;
    let id = match last.first() {
        Some(row) => key_id(row.int(0)?)?.saturating_add(1),
        None => 1,
    };
    let mut plain = Zeroizing::new([0; 32]);
    fill_random(&mut plain[..])?;
    let wrapped = master.wrap(id, purpose, &plain)?;
    tx.execute(
        "INSERT INTO keys (id, purpose, wrapped, created_at) VALUES (?1, ?2, ?3, ?4)",
        &[i64::from(id).into(), purpose.into(), wrapped[..].into(), now.0.into()],
    )
    .await?;
    Ok(())
}

fn key_id(id: i64) -> Result<u32> {
    u32::try_from(id).map_err(|_| Error::Corrupt { what: "a key's id" })
}

fn first_16(hash: &[u8]) -> Hash {
    let mut short = [0; 16];
    short.copy_from_slice(&hash[..16]);
    short
}

/// Random bytes of the system.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    rand::fill(bytes).map_err(|_| Error::Unavailable {
        during: "drawing random bytes",
        reason: "the system has none".to_owned(),
    })
}
