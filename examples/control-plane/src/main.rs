//! The control plane and the key manager in one process, for gateways elsewhere.

use std::process::ExitCode;

use apim_core::Shutdown;
use apim_gateway::server::health::Health;
use clap::Parser;
use control_plane::{Config, Plane, describe};
use launch::{Authority, Data, Failure, Flags, OrFail as _};

/// The control plane and the key manager. Gateways elsewhere join with `gateway --join DATA/join.json`.
///
/// The first start makes an administrator; APIM_ADMIN_PASSWORD sets the password, else one is made and shown once.
#[derive(Parser)]
#[command(name = "control-plane", version)]
struct Arguments {
    #[command(flatten)]
    flags: Flags,
}

fn main() -> ExitCode {
    let Arguments { flags } = Arguments::parse();
    launch::run("control-plane", serve(flags))
}

#[allow(clippy::print_stdout, reason = "a server says where it is")]
async fn serve(flags: Flags) -> Result<(), Failure> {
    launch::logs::start(&flags)?;
    let config: Config = launch::config::read(&flags)?;
    let data = Data::open(&flags.data)?;
    let authority = Authority::open(&data)?;
    let tls = launch::config::Tls::identity(config.tls.as_ref(), &authority, &flags)?.server_config()?;
    let ports = flags.ports();
    let listener = launch::https::bind(flags.listen(ports.control)).await?;
    let health =
        Health::new(|| Ok(())).bind(([127, 0, 0, 1], ports.health).into()).or_fail("cannot start")?;
    let plane = Plane::open(&flags, &data, &authority, &config).await?;
    tokio::spawn(health.run(Shutdown::new(launch::asked_to_end())));
    print!("{}", describe(&flags, plane.administrator.as_ref()));
    println!("gateways       gateway --join {}", data.path().join("join.json").display());
    launch::https::serve(listener, tls, plane.router, launch::asked_to_end()).await;
    plane.store.close().await;
    Ok(())
}
