//! Customers found by what they are known by.

use crate::http::input::read_json;
use crate::http::{ApiError, App};
use axum::Json;
use axum::extract::{Request, State};
use engine::Wanted;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest text.
const TEXT_MAX: usize = 1_024;

/// A number or an e-mail; both: whoever has either. In the body, for logs of others keep
/// addresses.
#[derive(Deserialize, ToSchema)]
pub struct CustomerSearchBody {
    /// In any form.
    #[serde(default)]
    #[schema(example = "+15550199999", max_length = 1024)]
    phone: String,
    #[serde(default)]
    #[schema(max_length = 1024)]
    email: String,
}

/// Who was found.
#[derive(Serialize, ToSchema)]
pub struct FoundCustomersBody {
    customers: Vec<FoundCustomerBody>,
}

/// A customer whom the directory knows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundCustomerBody {
    external_id: String,
    connection: String,
    name: String,
    email: String,
    as_of: String,
}

/// Customers with a number or an e-mail, as far as the directory knows them; no CRM is asked.
/// At most 50 of each connection.
#[utoipa::path(
    post, path = "/api/v1/customers/search", tag = "customers", request_body = CustomerSearchBody,
    responses(
        (status = 200, body = FoundCustomersBody),
        (status = 400, body = crate::http::error::ErrorBody)
    ),
    security(("key" = []), ("bearer" = []))
)]
pub async fn search(
    State(app): State<App>,
    request: Request,
) -> Result<Json<FoundCustomersBody>, ApiError> {
    let CustomerSearchBody { phone, email } = read_json(request).await?;
    for (at, text) in [("phone", &phone), ("email", &email)] {
        if text.chars().count() > TEXT_MAX {
            let message = format!("{at} is longer than 1,024 characters.");
            return Err(ApiError::field(at, message, "Send one number, or one e-mail."));
        }
    }
    let wanted = Wanted::read(&phone, &email, app.engine.options.region).ok_or_else(|| {
        let fix = "Send a number such as +15550199999, or an e-mail.";
        ApiError::field("phone", "Neither a number nor an e-mail is given.", fix)
    })?;
    let found = app.engine.customers_with(&wanted).await?;
    let customers = found.into_iter().map(|found| FoundCustomerBody {
        external_id: found.external_id.to_string(),
        connection: found.connection,
        name: found.contact.name,
        email: found.contact.email.unwrap_or_default(),
        as_of: found.as_of.to_string(),
    });
    Ok(Json(FoundCustomersBody { customers: customers.collect() }))
}
