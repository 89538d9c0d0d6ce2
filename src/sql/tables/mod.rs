//! The columns of each table, by the record that they come from.

pub mod changes;
pub mod connections;
pub mod dependencies;
pub mod findings;
pub mod meta;
pub mod recorded_findings;
pub mod runs;

#[cfg(test)]
mod tests {
    use super::changes::CHANGES;
    use super::connections::CONNECTIONS;
    use crate::domain::attributes::{AttributeName, UNKNOWN_MEMBERS};

    #[test]
    fn each_attribute_has_its_columns() {
        let names = AttributeName::ALL.map(AttributeName::as_str);
        let connections: Vec<&str> = CONNECTIONS.iter().map(|column| column.name).collect();
        let changes: Vec<&str> = CHANGES.iter().map(|column| column.name).collect();
        for name in names.into_iter().chain([UNKNOWN_MEMBERS]) {
            assert!(connections.contains(&name), "{name}");
            for side in ["before", "after"] {
                let column = format!("{side}_{name}");
                assert!(changes.contains(&column.as_str()), "{column}");
            }
        }
    }
}
