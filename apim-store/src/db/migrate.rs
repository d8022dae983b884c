//! The database's schema and how it grows.
//!
//! Migrations are files of SQL that both databases take, embedded here, run once each and in order, all in
//! one transaction. Each is remembered with a checksum: a file that was changed after it had run, or a
//! database from a later version, stops the start instead of corrupting data.

use apim_core::Timestamp;
use aws_lc_rs::digest;

use super::sql::{Arg, Conn, Db, Query};
use crate::error::{Error, Failure};

struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

/// Builds the list from file names; the number is the file's.
macro_rules! migrations {
    ($($number:literal $name:literal;)*) => {
        &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../migrations/", $name, ".sql")),
        }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations! {
    1 "01-outbox";
    2 "02-identity";
    3 "03-apis";
    4 "04-portal";
    5 "05-client-certificates";
    6 "06-log-levels";
};

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS migration (
    number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, at BIGINT NOT NULL)";

/// Brings the schema up to date.
pub(super) async fn run(db: &Db, now: Timestamp) -> Result<(), Error> {
    let mut conn = db.write().await?;
    conn.lock_migrations().await?;
    conn.script(LEDGER).await?;
    let done = conn.all(Query::Fixed("SELECT number, checksum FROM migration ORDER BY number", &[])).await?;
    for row in &done {
        check(row.get("number")?, &row.get::<String>("checksum")?)?;
    }
    let last: i64 = done.last().map_or(Ok(0), |row| row.get("number"))?;
    for migration in MIGRATIONS.iter().filter(|m| m.number > last) {
        apply(&mut conn, migration, now).await?;
    }
    conn.commit().await?;
    Ok(())
}

fn check(number: i64, checksum: &str) -> Result<(), Error> {
    let Some(migration) = MIGRATIONS.iter().find(|m| m.number == number) else {
        return Err(Failure::new(format!(
            "the database was migrated to step {number}, which this version does not know; a later version made it"
        ))
        .into());
    };
    if checksum != sum(migration.sql) {
        return Err(Failure::new(format!(
            "migration {} was changed after it had run on this database",
            migration.name
        ))
        .into());
    }
    Ok(())
}

async fn apply(conn: &mut Conn, migration: &Migration, now: Timestamp) -> Result<(), Error> {
    conn.script(migration.sql).await?;
    let sum = sum(migration.sql);
    let args: [Arg<'_>; 4] = [migration.number.into(), migration.name.into(), sum.into(), now.into()];
    let record = "INSERT INTO migration (number, name, checksum, at) VALUES ($1, $2, $3, $4)";
    conn.run(Query::Fixed(record, &args)).await?;
    Ok(())
}

fn sum(sql: &str) -> String {
    let digest = digest::digest(&digest::SHA256, sql.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn migrations_are_numbered_upwards() {
        assert!(MIGRATIONS.windows(2).all(|pair| pair[0].number < pair[1].number));
    }
}
