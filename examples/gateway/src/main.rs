//! The gateway alone: joined to a control plane, or serving a folder of API files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use apim_core::{SnapshotSource, SystemClock};
use apim_gateway::source::{Files, Join, Remote, Saved};
use clap::{ArgGroup, Parser};
use gateway::{Config, Document, Node, describe};
use launch::{Authority, Data, Failure, Flags, OrFail as _};
use tokio::sync::watch;

/// The gateway. It serves what a control plane has deployed, or a folder of API files.
#[derive(Parser)]
#[command(name = "gateway", version, group = ArgGroup::new("what to serve").required(true).args(["join", "apis", "schema"]))]
struct Arguments {
    #[command(flatten)]
    flags: Flags,

    /// Serves what a control plane has deployed: the join.json from its data folder.
    #[arg(long, value_name = "FILE")]
    join: Option<PathBuf>,

    /// Serves a folder of API files, with no control plane; see the example's README for their form.
    #[arg(long, value_name = "DIR")]
    apis: Option<PathBuf>,

    /// Prints the JSON Schema of the settings file, or of an API file, and ends.
    #[arg(long, value_name = "FILE", value_enum, num_args = 0..=1, default_missing_value = "settings")]
    schema: Option<Document>,
}

#[allow(clippy::print_stdout, reason = "a schema goes into a file")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(document) = arguments.schema {
        println!("{}", gateway::schema(document));
        return ExitCode::SUCCESS;
    }
    launch::run("gateway", serve(arguments))
}

#[allow(clippy::print_stdout, reason = "a server says where it is")]
async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let flags = &arguments.flags;
    launch::logs::start(flags)?;
    let config: Config = launch::config::read(flags)?;
    let data = Data::open(&flags.data)?;
    let source = source(&arguments, &data)?;
    let authority = Authority::open(&data)?;
    let identity = launch::config::Tls::identity(config.tls.as_ref(), &authority, flags)?;
    let again = arguments.flags.clone();
    let node = Node::open(flags, config, &identity, &data).await?;
    let node = node.rereading(move || launch::config::read(&again));
    if arguments.apis.is_some() {
        node.insist(&*source).await?;
    }
    print!("{}", describe(flags));
    println!("certificate    {}", data.path().join("ca.pem").display());
    let (end, ended) = watch::channel(false);
    tokio::spawn(async move {
        launch::asked_to_end().await;
        let _ = end.send(true);
    });
    node.run(source, ended).await
}

fn source(arguments: &Arguments, data: &Data) -> Result<Arc<dyn SnapshotSource>, Failure> {
    if let Some(folder) = &arguments.apis {
        let files = Files::new(folder);
        // The gateway would retry for ever; whoever starts it with a mistake in a file wants to know now.
        files.load().or_fail("cannot serve the folder of APIs")?;
        return Ok(Arc::new(files));
    }
    let Some(path) = &arguments.join else { return Err(Failure::new("--join or --apis is needed")) };
    let attempt = format!("cannot join by {}", path.display());
    let text = std::fs::read_to_string(path).or_fail(&attempt)?;
    let join: Join = serde_json::from_str(&text).or_fail(&attempt)?;
    let remote = Remote::new(&join, name(arguments)).or_fail(&attempt)?;
    // What was served last is served again, even if the control plane is away when this process starts.
    Ok(Arc::new(Saved::new(remote, data.path(), Arc::new(SystemClock))))
}

/// What the control plane knows this gateway by: the machine and the port tell gateways apart.
fn name(arguments: &Arguments) -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), arguments.flags.ports().https)
}
