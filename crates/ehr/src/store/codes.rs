//! Numbers for resource types and search parameters, so that an index row is a few bytes. Given once, kept for ever.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bascule_fhir::ResourceType;
use rusqlite::{Connection, Transaction};

use crate::EhrError;

/// Both directories, whole in memory.
pub(crate) struct Codes {
    types: HashMap<ResourceType, i64>,
    resources: HashMap<i64, ResourceType>,
    parameters: HashMap<(ResourceType, String), i64>,
}

impl Codes {
    /// Reads the directories and adds what is new.
    pub(crate) fn load(
        connection: &mut Connection,
        names: impl Iterator<Item = (ResourceType, String)>,
    ) -> Result<Self, EhrError> {
        let transaction = connection.transaction()?;
        let types = types(&transaction)?;
        let resources = types.iter().map(|(resource, code)| (*code, *resource)).collect();
        let parameters = parameters(&transaction, &types, &resources, names)?;
        transaction.commit()?;
        Ok(Self { types, resources, parameters })
    }

    /// The number of a type.
    pub(crate) fn of(&self, resource: ResourceType) -> i64 {
        self.types.get(&resource).copied().unwrap_or(UNKNOWN)
    }

    /// The type of a number.
    pub(crate) fn resource(&self, code: i64) -> Option<ResourceType> {
        self.resources.get(&code).copied()
    }

    /// The number of a parameter of a type.
    pub(crate) fn parameter(&self, resource: ResourceType, name: &str) -> i64 {
        self.parameters.get(&(resource, name.to_owned())).copied().unwrap_or(UNKNOWN)
    }
}

/// No row bears it.
const UNKNOWN: i64 = -1;

fn types(transaction: &Transaction<'_>) -> Result<HashMap<ResourceType, i64>, EhrError> {
    for resource in ResourceType::all() {
        transaction
            .prepare_cached("INSERT INTO type_code (name) VALUES (?1) ON CONFLICT DO NOTHING")?
            .execute([resource.name()])?;
    }
    let mut statement = transaction.prepare("SELECT name, code FROM type_code")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter_map(|(name, code)| Some((ResourceType::parse(&name)?, code))).collect())
}

fn parameters(
    transaction: &Transaction<'_>,
    types: &HashMap<ResourceType, i64>,
    resources: &HashMap<i64, ResourceType>,
    names: impl Iterator<Item = (ResourceType, String)>,
) -> Result<HashMap<(ResourceType, String), i64>, EhrError> {
    let mut known = known(transaction, resources)?;
    let mut insert = transaction.prepare("INSERT INTO parameter_code (type, name) VALUES (?1, ?2) RETURNING code")?;
    for (resource, name) in names {
        if let Entry::Vacant(place) = known.entry((resource, name)) {
            let of = types.get(&resource).copied().unwrap_or(UNKNOWN);
            let code = insert.query_row((of, &place.key().1), |row| row.get(0))?;
            place.insert(code);
        }
    }
    Ok(known)
}

fn known(
    transaction: &Transaction<'_>,
    resources: &HashMap<i64, ResourceType>,
) -> Result<HashMap<(ResourceType, String), i64>, EhrError> {
    let mut statement = transaction.prepare("SELECT type, name, code FROM parameter_code")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)))?;
    let rows = rows.collect::<Result<Vec<(i64, String, i64)>, _>>()?;
    Ok(rows.into_iter().filter_map(|(of, name, code)| Some(((resources.get(&of).copied()?, name), code))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn numbers_stay_when_names_are_added() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let one = [(ResourceType::PATIENT, "name".to_owned())];
        let two = [(ResourceType::PATIENT, "birthdate".to_owned()), (ResourceType::PATIENT, "name".to_owned())];
        let first = Codes::load(&mut connection, one.into_iter()).unwrap();
        let second = Codes::load(&mut connection, two.into_iter()).unwrap();
        assert_eq!(first.parameter(ResourceType::PATIENT, "name"), second.parameter(ResourceType::PATIENT, "name"));
        assert_ne!(second.parameter(ResourceType::PATIENT, "birthdate"), UNKNOWN);
        assert_eq!(second.resource(second.of(ResourceType::PATIENT)), Some(ResourceType::PATIENT));
    }
}
