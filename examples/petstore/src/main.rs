//! Pets in memory, behind a plain HTTP port.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use launch::{Failure, OrFail as _};
use serde::{Deserialize, Serialize};

/// A small backend to put a gateway in front of.
#[derive(Parser)]
#[command(name = "petstore", version)]
struct Flags {
    /// The port to listen on.
    #[arg(long, value_name = "N", default_value_t = 9000)]
    port: u16,
    /// The address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    bind: IpAddr,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pet {
    #[serde(default)]
    id: u64,
    name: String,
    #[serde(default = "available")]
    status: String,
}

fn available() -> String {
    "available".to_owned()
}

type Pets = Arc<Mutex<BTreeMap<u64, Pet>>>;

/// More than this many are not kept: it is an example, not a database.
const MOST: usize = 10_000;

fn main() -> ExitCode {
    let flags = Flags::parse();
    launch::run("petstore", serve(SocketAddr::new(flags.bind, flags.port)))
}

#[allow(clippy::print_stdout, reason = "a server says where it is")]
async fn serve(address: SocketAddr) -> Result<(), Failure> {
    let listener = launch::https::bind(address).await?;
    println!("petstore: http://{}", listener.local_addr().or_fail("no address")?);
    let served = axum::serve(listener, router()).with_graceful_shutdown(launch::asked_to_end());
    served.await.or_fail("the server failed")
}

fn router() -> Router {
    let rex = Pet { id: 1, name: "Rex".to_owned(), status: available() };
    let pets = Pets::new(Mutex::new(BTreeMap::from([(1, rex)])));
    Router::new()
        .route("/pet", post(add))
        .route("/pet/findByStatus", get(find))
        .route("/pet/{id}", get(look).delete(remove))
        .route("/headers", get(headers))
        .with_state(pets)
}

async fn add(
    State(pets): State<Pets>,
    Json(mut pet): Json<Pet>,
) -> Result<(StatusCode, Json<Pet>), StatusCode> {
    let mut pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    if pets.len() >= MOST {
        return Err(StatusCode::INSUFFICIENT_STORAGE);
    }
    pet.id = pets.last_key_value().map_or(1, |(last, _)| last + 1);
    pets.insert(pet.id, pet.clone());
    Ok((StatusCode::CREATED, Json(pet)))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default = "available")]
    status: String,
}

async fn find(State(pets): State<Pets>, Query(wanted): Query<Wanted>) -> Json<Vec<Pet>> {
    let pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    Json(pets.values().filter(|pet| pet.status == wanted.status).cloned().collect())
}

async fn look(State(pets): State<Pets>, Path(id): Path<u64>) -> Result<Json<Pet>, StatusCode> {
    let pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    pets.get(&id).cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn remove(State(pets): State<Pets>, Path(id): Path<u64>) -> StatusCode {
    let mut pets = pets.lock().unwrap_or_else(PoisonError::into_inner);
    if pets.remove(&id).is_some() { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn headers(headers: HeaderMap) -> Json<BTreeMap<String, String>> {
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Json(headers.iter().map(text).collect())
}
