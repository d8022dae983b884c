//! A folder of YAML files.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apim_core::model::{
    Api, ApiId, ApiKey, Application, DenyPolicy, KeyManagerConfig, KeyMapping, Policy, Subscription,
};
use apim_core::{BusError, Change, EventStream, Revision, Snapshot, SnapshotSource, event};
use async_trait::async_trait;
use serde::de::DeserializeOwned;

use crate::upstream;

/// No file that a person has written is larger.
const LARGEST: u64 = 16 << 20;

/// A gateway's whole configuration in a folder: the gateway that never changes while it runs.
///
/// Every `.yaml`, `.yml` or `.json` file in the folder, or in its subfolder `apis`, is one [`Api`], but for
/// these, each of which holds a list:
///
/// | file | of |
/// |---|---|
/// | `policies.yaml` | [`Policy`] |
/// | `key-managers.yaml` | [`KeyManagerConfig`] |
/// | `applications.yaml` | [`Application`] |
/// | `subscriptions.yaml` | [`Subscription`] |
/// | `key-mappings.yaml` | [`KeyMapping`] |
/// | `api-keys.yaml` | [`ApiKey`] |
/// | `deny-policies.yaml` | [`DenyPolicy`] |
///
/// Hidden files are passed over, and so are others whose names end otherwise.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which file.
    pub file: PathBuf,
    /// Where in it, and what is wrong.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.text)
    }
}

/// Everything that is wrong in a folder, not just the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesError {
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FilesError {}

impl Files {
    /// For a folder, which is read when a snapshot is asked for.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Reads the folder. For a binary to call before it starts, so that mistakes are told at once.
    ///
    /// # Errors
    ///
    /// [`FilesError`] with every mistake in every file.
    pub fn load(&self) -> Result<Snapshot, FilesError> {
        let mut found = Found::default();
        found.folder(&self.folder, true);
        found.check();
        if !found.mistakes.is_empty() {
            found.mistakes.sort_by(|a, b| a.file.cmp(&b.file));
            return Err(FilesError { mistakes: found.mistakes });
        }
        Ok(Snapshot::new(Revision(1), found.changes()))
    }
}

#[async_trait]
impl SnapshotSource for Files {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        let files = self.clone();
        match tokio::task::spawn_blocking(move || files.load()).await {
            Ok(loaded) => loaded.map_err(|error| BusError::Broken(error.into())),
            Err(error) => Err(BusError::Broken(error.into())),
        }
    }

    async fn changes(&self, _after: Revision) -> Result<EventStream, BusError> {
        Ok(event::never())
    }
}

/// What has been read so far, with the file that each thing came from.
#[derive(Default)]
struct Found {
    apis: Vec<(PathBuf, Api)>,
    policies: Vec<Policy>,
    key_managers: Vec<KeyManagerConfig>,
    applications: Vec<Application>,
    subscriptions: Vec<(PathBuf, Subscription)>,
    key_mappings: Vec<(PathBuf, KeyMapping)>,
    api_keys: Vec<(PathBuf, ApiKey)>,
    denies: Vec<DenyPolicy>,
    mistakes: Vec<Mistake>,
}

impl Found {
    fn folder(&mut self, folder: &Path, outermost: bool) {
        let mut paths = Vec::new();
        match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => paths.extend(entries.into_iter().map(|entry| entry.path())),
            Err(error) => return self.wrong(folder, format!("cannot be read: {error}")),
        }
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if path.is_dir() {
                if outermost && name == "apis" {
                    self.folder(&path, false);
                }
            } else if !name.starts_with('.') && matches!(extension, "yaml" | "yml" | "json") {
                self.file(&path, outermost);
            }
        }
    }

    fn file(&mut self, path: &Path, outermost: bool) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        match stem {
            _ if !outermost => self.api(path),
            "policies" => self.policies = self.read(path).unwrap_or_default(),
            "key-managers" => self.key_managers = self.read(path).unwrap_or_default(),
            "applications" => self.applications = self.read(path).unwrap_or_default(),
            "subscriptions" => self.subscriptions = self.list(path),
            "key-mappings" => self.key_mappings = self.list(path),
            "api-keys" => self.api_keys = self.list(path),
            "deny-policies" => self.denies = self.read(path).unwrap_or_default(),
            _ => self.api(path),
        }
    }

    fn api(&mut self, path: &Path) {
        let Some(mut api) = self.read::<Api>(path) else { return };
        if api.id.is_empty() {
            api.id = ApiId::from(format!("{}:{}", api.name, api.version));
        }
        self.apis.push((path.to_owned(), api));
    }

    fn list<T: DeserializeOwned>(&mut self, path: &Path) -> Vec<(PathBuf, T)> {
        let list = self.read::<Vec<T>>(path).unwrap_or_default();
        list.into_iter().map(|one| (path.to_owned(), one)).collect()
    }

    fn read<T: DeserializeOwned>(&mut self, path: &Path) -> Option<T> {
        let text = match fs::metadata(path) {
            Ok(about) if about.len() > LARGEST => {
                self.wrong(path, format!("is larger than {LARGEST} bytes"));
                return None;
            }
            Ok(_) => fs::read_to_string(path),
            Err(error) => Err(error),
        };
        match text {
            Ok(text) => match serde_saphyr::from_str(&text) {
                Ok(value) => return Some(value),
                Err(error) => self.wrong(path, error.to_string()),
            },
            Err(error) => self.wrong(path, format!("cannot be read: {error}")),
        }
        None
    }

    /// What no single file can know, and what would only be noticed when a call comes.
    fn check(&mut self) {
        let mut wrong = Vec::new();
        let mut by_id: HashMap<&str, &Path> = HashMap::new();
        for (path, api) in &self.apis {
            if let Some(other) = by_id.insert(&api.id, path) {
                wrong.push((path, format!("the API `{}` stands in {} too", api.id, other.display())));
            }
            for (place, endpoint) in api.endpoints.all() {
                if let Err(error) = upstream::check(endpoint) {
                    wrong.push((path, error.within(&place).within("endpoints").to_string()));
                }
            }
        }
        let application = |id: &str| self.applications.iter().any(|application| &*application.id == id);
        for (path, subscription) in &self.subscriptions {
            if !application(&subscription.application) {
                wrong.push((
                    path,
                    format!("{}: no application `{}`", subscription.id, subscription.application),
                ));
            }
            if !by_id.contains_key(&*subscription.api) {
                wrong.push((path, format!("{}: no API `{}`", subscription.id, subscription.api)));
            }
        }
        for (path, mapping) in &self.key_mappings {
            if !application(&mapping.application) {
                wrong.push((path, format!("{}: no application `{}`", mapping.client, mapping.application)));
            }
            if !self.key_managers.iter().any(|manager| manager.name == mapping.key_manager) {
                wrong.push((path, format!("{}: no key manager `{}`", mapping.client, mapping.key_manager)));
            }
        }
        for (path, key) in &self.api_keys {
            if !application(&key.application) {
                wrong.push((path, format!("{}: no application `{}`", key.id, key.application)));
            }
        }
        let mistakes = wrong.into_iter().map(|(path, text)| Mistake { file: path.clone(), text });
        let mistakes = mistakes.collect::<Vec<_>>();
        self.mistakes.extend(mistakes);
    }

    fn changes(self) -> Vec<Change> {
        let mut changes = Vec::new();
        changes.extend(self.policies.into_iter().map(|policy| Change::PolicySaved(Arc::new(policy))));
        changes.extend(self.key_managers.into_iter().map(|one| Change::KeyManagerSaved(Arc::new(one))));
        changes.extend(self.apis.into_iter().map(|(_, api)| Change::ApiDeployed(Arc::new(api))));
        changes.extend(self.applications.into_iter().map(|one| Change::ApplicationSaved(Arc::new(one))));
        changes.extend(self.key_mappings.into_iter().map(|(_, one)| Change::KeyMappingSaved(Arc::new(one))));
        changes.extend(self.api_keys.into_iter().map(|(_, key)| Change::ApiKeySaved(Arc::new(key))));
        changes
            .extend(self.subscriptions.into_iter().map(|(_, one)| Change::SubscriptionSaved(Arc::new(one))));
        changes.extend(self.denies.into_iter().map(|deny| Change::DenySaved(Arc::new(deny))));
        changes
    }

    fn wrong(&mut self, path: &Path, text: String) {
        self.mistakes.push(Mistake { file: path.to_owned(), text });
    }
}
