//! The only module that knows there are two databases.
//!
//! One SQL text serves SQLite and PostgreSQL. It uses `$1` parameters, integers, floats, text and bytes
//! only; moments are milliseconds; computed numbers are `CAST(… AS BIGINT)`, because PostgreSQL types them
//! differently; order is `COLLATE "C"`, which SQLite is taught below.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Executor, Postgres, Sqlite, Transaction, Type};

/// How long a connection, or SQLite's one write lock, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What each connection to SQLite remembers of the file, in KiB (a negative `cache_size` is one). The system has all of
/// it in its own cache; SQLite's default is 2 MB for each of nine connections, which fills as the file grows.
const PAGES: &str = "-512";

type Result<T> = std::result::Result<T, sqlx::Error>;

/// An open database.
pub(crate) enum Db {
    /// A file. One connection writes, since SQLite has one writer anyway; the others can only read.
    Sqlite { read: SqlitePool, write: SqlitePool },
    /// A server.
    Postgres(PgPool),
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…`. A relative path is taken below `folder`.
    pub(crate) async fn open(url: &str, folder: &Path) -> Result<Self> {
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::open_sqlite(&folder.join(path.trim_start_matches("//"))).await,
            None => {
                let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(PATIENCE).connect(url);
                Ok(Self::Postgres(pool.await?))
            }
        }
    }

    async fn open_sqlite(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged survives a power cut, not only a crash.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .pragma("cache_size", PAGES)
            .collation("C", |a, b| a.as_bytes().cmp(b.as_bytes()));
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone().create_if_missing(true))
            .await?;
        let read = SqlitePoolOptions::new()
            .max_connections(8)
            .acquire_timeout(PATIENCE)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self::Sqlite { read, write })
    }

    /// A transaction that sees one state throughout, so that a page and its total agree.
    pub(crate) async fn read(&self) -> Result<Conn> {
        Ok(match self {
            Self::Sqlite { read, .. } => Conn::Sqlite(read.begin().await?),
            Self::Postgres(pool) => {
                Conn::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// A transaction that may write. On SQLite it waits here for the one before it.
    pub(crate) async fn write(&self) -> Result<Conn> {
        Ok(match self {
            // Not deferred: a lock taken only at the first write could fail after reads were acted upon.
            Self::Sqlite { write, .. } => Conn::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Conn::Postgres(pool.begin().await?),
        })
    }

    /// Closes all connections; SQLite then folds its log into the file.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A parameter. Each may be absent, and keeps its type when it is, as PostgreSQL wants to know it.
#[derive(Debug, Clone)]
pub(crate) enum Arg<'a> {
    Int(Option<i64>),
    Text(Option<Cow<'a, str>>),
    Bytes(Option<&'a [u8]>),
}

macro_rules! arg {
    ($($from:ty => |$value:ident| $arg:expr;)*) => {$(
        impl<'a> From<$from> for Arg<'a> {
            fn from($value: $from) -> Self {
                $arg
            }
        }
    )*};
}

arg! {
    i64 => |n| Arg::Int(Some(n));
    u32 => |n| Arg::Int(Some(n.into()));
    bool => |b| Arg::Int(Some(b.into()));
    Option<i64> => |n| Arg::Int(n);
    &'a str => |s| Arg::Text(Some(s.into()));
    &'a String => |s| Arg::Text(Some(s.into()));
    String => |s| Arg::Text(Some(s.into()));
    Option<&'a str> => |s| Arg::Text(s.map(Cow::Borrowed));
    Option<String> => |s| Arg::Text(s.map(Cow::Owned));
    &'a [u8] => |b| Arg::Bytes(Some(b));
    &'a Vec<u8> => |b| Arg::Bytes(Some(b));
    Option<&'a [u8]> => |b| Arg::Bytes(b);
    apim_core::Timestamp => |t| Arg::Int(Some(i64::try_from(t.as_millis()).unwrap_or(i64::MAX)));
    Option<apim_core::Timestamp> => |t| t.map_or(Arg::Int(None), Arg::from);
}

macro_rules! id_arg {
    ($($id:ident)*) => {$(
        impl<'a> From<&'a apim_core::model::$id> for Arg<'a> {
            fn from(id: &'a apim_core::model::$id) -> Self {
                Arg::Text(Some(id.as_str().into()))
            }
        }
    )*};
}

id_arg! { ApiId ApplicationId SubscriptionId ClientId DenyId KeyId KeyManagerName PolicyName Role Scope Tenant TokenId UserName }

/// A text put together from fixed pieces, for searches whose conditions the caller chooses. Nothing that
/// came from outside can get into the text: pieces are `'static`, values become parameters.
#[derive(Debug)]
pub(crate) struct Assembled<'a> {
    text: String,
    args: Vec<Arg<'a>>,
}

impl<'a> Assembled<'a> {
    /// Starts with a text and the parameters that it mentions.
    pub(crate) fn new(text: &'static str, args: impl IntoIterator<Item = Arg<'a>>) -> Self {
        Self { text: text.to_owned(), args: args.into_iter().collect() }
    }

    /// Adds a piece of text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value.
    pub(crate) fn bind(&mut self, arg: impl Into<Arg<'a>>) -> &mut Self {
        self.args.push(arg.into());
        self.text.push('$');
        self.text.push_str(&self.args.len().to_string());
        self
    }
}

/// An SQL text with its parameters.
pub(crate) enum Query<'a> {
    Fixed(&'static str, &'a [Arg<'a>]),
    Assembled(&'a Assembled<'a>),
}

impl Query<'_> {
    /// The text, for the assertion that it names the tenant.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Fixed(text, _) => text,
            Self::Assembled(query) => &query.text,
        }
    }

    fn args(&self) -> &[Arg<'_>] {
        match self {
            Self::Fixed(_, args) => args,
            Self::Assembled(query) => &query.args,
        }
    }
}

/// An open transaction; dropping it rolls back.
pub(crate) enum Conn {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Builds the query for one driver; both have the same calls but no common type.
macro_rules! prepared {
    ($query:expr) => {{
        // Only `Assembled` reaches the assertion, and it is made of fixed pieces.
        let mut prepared = sqlx::query(AssertSqlSafe($query.text().to_owned()));
        for arg in $query.args() {
            prepared = match arg {
                Arg::Int(n) => prepared.bind(*n),
                Arg::Text(s) => prepared.bind(s.as_deref().map(str::to_owned)),
                Arg::Bytes(b) => prepared.bind(b.map(<[u8]>::to_vec)),
            };
        }
        prepared
    }};
}

impl Conn {
    /// All rows.
    pub(crate) async fn all(&mut self, query: Query<'_>) -> Result<Vec<Row>> {
        Ok(match self {
            Self::Sqlite(c) => {
                prepared!(query).fetch_all(&mut **c).await?.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(c) => {
                prepared!(query).fetch_all(&mut **c).await?.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row.
    pub(crate) async fn one(&mut self, query: Query<'_>) -> Result<Option<Row>> {
        Ok(match self {
            Self::Sqlite(c) => prepared!(query).fetch_optional(&mut **c).await?.map(Row::Sqlite),
            Self::Postgres(c) => prepared!(query).fetch_optional(&mut **c).await?.map(Row::Postgres),
        })
    }

    /// How many rows were changed.
    pub(crate) async fn run(&mut self, query: Query<'_>) -> Result<u64> {
        Ok(match self {
            Self::Sqlite(c) => prepared!(query).execute(&mut **c).await?.rows_affected(),
            Self::Postgres(c) => prepared!(query).execute(&mut **c).await?.rows_affected(),
        })
    }

    /// Runs several statements without parameters: migrations.
    pub(crate) async fn script(&mut self, text: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(c) => c.execute(sqlx::raw_sql(text)).await.map(drop),
            Self::Postgres(c) => c.execute(sqlx::raw_sql(text)).await.map(drop),
        }
    }

    /// Waits until no other process migrates this database.
    pub(crate) async fn lock_migrations(&mut self) -> Result<()> {
        match self {
            // `BEGIN IMMEDIATE` has done it.
            Self::Sqlite(_) => Ok(()),
            // The number is arbitrary, and the same in every version.
            Self::Postgres(c) => {
                c.execute(sqlx::raw_sql("SELECT pg_advisory_xact_lock(1095780685)")).await.map(drop)
            }
        }
    }

    /// Makes it last.
    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(c) => c.commit().await,
            Self::Postgres(c) => c.commit().await,
        }
    }
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column may be read as: `i64`, `f64`, `String`, `Vec<u8>`, and options of them.
pub(crate) trait Cell:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Cell for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl Row {
    /// A column by name or number.
    pub(crate) fn get<T: Cell>(&self, column: impl ColumnIndex<SqliteRow> + ColumnIndex<PgRow>) -> Result<T> {
        match self {
            Self::Sqlite(row) => sqlx::Row::try_get(row, column),
            Self::Postgres(row) => sqlx::Row::try_get(row, column),
        }
    }

    /// A moment.
    pub(crate) fn time(
        &self,
        column: impl ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    ) -> Result<apim_core::Timestamp> {
        let millis: i64 = self.get(column)?;
        Ok(apim_core::Timestamp::from_millis(u64::try_from(millis).unwrap_or(0)))
    }
}
