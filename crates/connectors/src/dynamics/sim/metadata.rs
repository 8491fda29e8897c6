//! What the environment tells of itself: its tables, and who asks.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::World;
use super::filter;
use super::http::{Answer, Asked};

impl World {
    /// `WhoAmI()`.
    pub(super) fn who_am_i(&self) -> Answer {
        let body = json!({
            "@odata.context": self.context("Microsoft.Dynamics.CRM.WhoAmIResponse"),
            "BusinessUnitId": "38e0dbe4-131b-e111-ba7e-78e7d1620f5e",
            "UserId": self.config.user_id,
            "OrganizationId": "0d34cb8a-0c0b-4d9f-9d6a-9f3a0b7c1c55",
        });
        Answer::json(StatusCode::OK, &body)
    }

    /// `systemusers(id)` with the roles of the application user, which alone is known here.
    pub(super) fn own_roles(&self, step: &str, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let user = &self.config.user_id;
        if step != format!("systemusers({user})") {
            let message = "Entity 'SystemUser' With Id does not exist";
            return Err(Answer::error(StatusCode::NOT_FOUND, "0x80040217", message));
        }
        let mut body = json!({
            "@odata.context": self.context("systemusers/$entity"),
            "@odata.etag": "W/\"1\"", "systemuserid": user, "ownerid": user,
        });
        let Some(expand) = asked.option("$expand") else {
            return Ok(Answer::json(StatusCode::OK, &body));
        };
        let columns = expand.strip_prefix("systemuserroles_association");
        let columns = columns.ok_or_else(|| no_property(expand, "systemuser"))?;
        let columns = columns.strip_prefix("($select=").and_then(|list| list.strip_suffix(')'));
        let columns: Option<Vec<&str>> = columns.map(|list| list.split(',').collect());
        let own = ["name", "_roletemplateid_value", "roleid"];
        if let Some(odd) = columns.iter().flatten().find(|column| !own.contains(column)) {
            return Err(no_property(odd, "role"));
        }
        let role = |(name, template): &(String, Option<String>)| {
            let mut role = json!({ "name": name, "_roletemplateid_value": template });
            if let (Some(columns), Json::Object(values)) = (&columns, &mut role) {
                values.retain(|column, _| columns.contains(&column.as_str()));
            }
            role["roleid"] = user.as_str().into();
            role
        };
        let roles: Vec<Json> = self.config.roles.iter().map(role).collect();
        body["systemuserroles_association"] = roles.into();
        Ok(Answer::json(StatusCode::OK, &body))
    }

    /// The service document.
    pub(super) fn service(&self) -> Answer {
        let store = self.read();
        let sets = store.all().iter().map(|rows| rows.table.set);
        let sets: Vec<Json> =
            sets.map(|set| json!({ "name": set, "kind": "EntitySet", "url": set })).collect();
        Answer::json(StatusCode::OK, &json!({ "@odata.context": self.context(""), "value": sets }))
    }

    /// `EntityDefinitions`, all that meet a filter or one by its logical name.
    pub(super) fn definitions(&self, step: &str, asked: &Asked<'_>) -> Result<Answer, Answer> {
        let store = self.read();
        let all: Vec<Json> = store.all().iter().map(|rows| rows.table.described()).collect();
        let expand = expanded(asked.option("$expand").unwrap_or_default())?;
        let select: Option<Vec<&str>> =
            asked.option("$select").map(|list| list.split(',').collect());
        let told = |one: &Json| {
            let own = one.as_object().into_iter().flatten();
            let own = own.filter_map(|(name, value)| {
                let value = if EXPANDED.contains(&name.as_str()) {
                    let (_, columns) = expand.iter().find(|(own, _)| own == name)?;
                    narrowed(value, columns.as_deref())
                } else {
                    let is_wanted = select.as_ref().is_none_or(|all| all.contains(&name.as_str()));
                    (is_wanted || name == "MetadataId").then(|| value.clone())?
                };
                Some((name.clone(), value))
            });
            Json::Object(own.collect::<Map<_, _>>())
        };
        if let Some(name) = step.strip_prefix("EntityDefinitions(LogicalName='") {
            let name = name.trim_end_matches("')");
            let one = all.iter().find(|one| one["LogicalName"] == name);
            let one = one.ok_or_else(|| {
                let message = format!("Could not find an entity with name {name}");
                Answer::error(StatusCode::NOT_FOUND, "0x80060888", &message)
            })?;
            let mut body = told(one);
            body["@odata.context"] = self.context("EntityDefinitions/$entity").into();
            return Ok(Answer::json(StatusCode::OK, &body));
        }
        let filter = asked.option("$filter").map(filter::read).transpose();
        let filter = filter.map_err(|message| Answer::bad(&message))?;
        let is_in =
            |one: &&Json| filter.as_ref().is_none_or(|f| f.holds(&|name| one[name].clone()));
        let value: Vec<Json> = all.iter().filter(is_in).map(told).collect();
        let body = json!({ "@odata.context": self.context("EntityDefinitions"), "value": value });
        Ok(Answer::json(StatusCode::OK, &body))
    }
}

fn no_property(name: &str, of: &str) -> Answer {
    let of = format!("Microsoft.Dynamics.CRM.{of}");
    Answer::bad(&format!("Could not find a property named '{name}' on type '{of}'."))
}

/// Names, each with the columns that are wanted of it.
type Expanded = Vec<(String, Option<Vec<String>>)>;

/// What of a table's description is told only where it is asked for.
const EXPANDED: [&str; 3] = ["Attributes", "Keys", "ManyToOneRelationships"];

/// `Keys($select=a,b),Attributes` as names, each with its columns.
fn expanded(list: &str) -> Result<Expanded, Answer> {
    let one = |one: &str| {
        let (name, inner) = one.split_once('(').unwrap_or((one, ""));
        if !EXPANDED.contains(&name) {
            return Err(no_property(name, "EntityMetadata"));
        }
        let list = inner.strip_suffix(')').and_then(|inner| inner.strip_prefix("$select="));
        let columns = list.map(|list| list.split(',').map(|one| one.trim().to_owned()).collect());
        Ok((name.to_owned(), columns))
    };
    super::wanted::parts(list).into_iter().map(one).collect()
}

/// Rows with these columns alone.
fn narrowed(rows: &Json, columns: Option<&[String]>) -> Json {
    let Some(columns) = columns else { return rows.clone() };
    let narrow = |row: &Json| {
        let own = row.as_object().into_iter().flatten();
        let own = own.filter(|(name, _)| columns.contains(name));
        Json::Object(own.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    rows.as_array().into_iter().flatten().map(narrow).collect()
}
