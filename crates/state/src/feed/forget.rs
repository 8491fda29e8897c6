//! Forgets the news of a call together with it.
//!
//! The places stay, so that the order has no gap and whoever reads on notices nothing.

use super::call_stream;
use crate::error::Result;
use crate::keys::Keyring;
use crate::sql::Tx;
use domain::CallId;

/// For everybody who deletes a call: what was told of it, and whose it was. Before the
/// call itself, which knows the place of its first.
pub(crate) async fn forget_call(tx: &mut Tx<'_>, keys: &Keyring, call: &str) -> Result<()> {
    const OF_CALL: [&str; 3] = [
        "UPDATE news SET stream = NULL, call = '-', kind = 'forgotten'
            WHERE call = ?1 AND place = (SELECT news FROM calls WHERE id = ?1)",
        "UPDATE news SET stream = NULL, call = '-', kind = 'forgotten'
            WHERE call = ?1 AND stream IN (SELECT agent FROM call_agents WHERE call = ?1)",
        "DELETE FROM call_agents WHERE call = ?1",
    ];
    const LATER: &str = "
        UPDATE news SET stream = NULL, call = '-', kind = 'forgotten'
        WHERE call = ?1 AND stream = ?2";
    let stream = CallId::new(call).map(|call| call_stream(keys, &call));
    tx.execute(LATER, &[call.into(), stream.as_ref().into()]).await?;
    for sql in OF_CALL {
        tx.execute(sql, &[call.into()]).await?;
    }
    Ok(())
}
